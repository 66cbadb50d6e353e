package proxy

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"tiercache/shared/flight"
	"tiercache/shared/httpcache"
)

// What is passed on of the early hints (RFC 8297) to one request, all of them together: browsers act on the first
// few, and waiters keep them in memory.
const (
	maxHints     = 8
	maxHintBytes = 8 << 10
)

// linkField is all that is passed on of a 103. It is what clients act on; the other fields that one may have speak of
// the final response, which says them itself.
const linkField = "Link"

// hints are the early hints that the upstream has sent for one request.
type hints struct {
	tell func(block []byte) // does not block

	mu struct {
		sync.Mutex
		blocks [][]byte // header blocks
		bytes  int
	}
}

// take tells of a 103 what may be passed on, if that is within the limits and was not told before: a request that is
// repeated brings the same hints again.
func (h *hints) take(fields httpcache.Fields) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.mu.blocks) == maxHints {
		return
	}
	block := appendLinks(nil, fields, maxHintBytes-h.mu.bytes)
	if len(block) == 0 || slices.ContainsFunc(h.mu.blocks, func(told []byte) bool { return bytes.Equal(told, block) }) {
		return
	}
	h.mu.blocks = append(h.mu.blocks, block)
	h.mu.bytes += len(block)
	h.tell(block)
}

// appendLinks appends the lines of Link that a 103 may have, as far as there is room for whole ones.
func appendLinks(dst []byte, fields httpcache.Fields, room int) []byte {
	if httpcache.KeptBack(fields, linkField) {
		return dst
	}
	for value := range fields.Values(linkField) {
		if size := len(linkField) + len(value) + len(": \r\n"); size <= room && isLink(value) {
			dst = appendField(dst, linkField, value)
			room -= size
		}
	}
	return dst
}

// isLink reports whether a value is text without what could end its line (RFC 9110, 5.5). That of Link is ASCII
// (RFC 8288, 3).
func isLink(value string) bool {
	for i := range len(value) {
		if c := value[i]; (c < ' ' && c != '\t') || c >= 0x7f {
			return false
		}
	}
	return value != ""
}

// hint is a note of a fill.
type hint struct {
	block []byte
	asker []string // credentials of the request that the upstream has answered with it
}

// wantHints makes the fill tell those that wait of early hints, if the service wants that and somebody waits.
func (j *fill) wantHints(f *flight.Flight[*result]) {
	if !j.service.EarlyHints || j.background {
		return
	}
	asker := credentials(j.request.Header)
	hints := &hints{tell: func(block []byte) { f.Note(&hint{block, asker}) }}
	j.request.Hint = hints.take
}

// hearer passes early hints on to the client while it waits for a flight. One that was sent some while it waited for
// another flight is sent no more.
func (p *Proxy) hearer(r *request, lead bool) func(any) {
	enough := r.hinted
	return func(note any) {
		h, ok := note.(*hint)
		if !ok || enough || !lead && !p.mayHear(r, h) {
			return
		}
		r.hinted = true
		r.x.Hint(h.block)
	}
}

// mayHear reports whether the request, which waits for another one's fill, may be given a hint that came for that one.
//
// INVARIANT: what the upstream says to one user is never told to another, and nothing says yet whether the response
// may be shared: so the upstream must not be able to tell the two apart as users. A link may name what only one of
// them should know.
func (p *Proxy) mayHear(r *request, h *hint) bool {
	return slices.Equal(credentials(p.forward(r, httpcache.FillFields(r.header))), h.asker)
}

// fetchHinted fetches what goes straight through, while the client is sent early hints by the goroutine that will
// send it the reply.
func (p *Proxy) fetchHinted(ctx context.Context, r *request, request *Request) (*Response, error) {
	if !r.service.EarlyHints || r.hinted {
		return p.upstream.Fetch(ctx, r.service, request)
	}
	f := flight.Solo[*Response]()
	hints := &hints{tell: func(block []byte) { f.Note(block) }}
	request.Hint = hints.take
	go func() {
		defer f.Release()
		defer failPanicked(p.log, r.service.Name, f.Fail)
		response, err := p.upstream.Fetch(ctx, r.service, request)
		if err != nil {
			f.Fail(err)
			return
		}
		f.Publish(response)
	}()
	// The context ends what is waited for, so nothing is lost by waiting for that.
	return f.Follow(context.WithoutCancel(ctx), func(note any) {
		if block, ok := note.([]byte); ok {
			r.x.Hint(block)
		}
	})
}
