package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// serveStored answers with the entry that was found. It reports false when the body turns out to be
// gone, so that the request is served anew.
func (p *Proxy) serveStored(r *request, age time.Duration, member httpcache.Member, stamp uint64) (done bool) {
	payload, ok := p.storedPayload(r, &r.head, r.inline, r.storeKey())
	if !ok {
		return false
	}
	p.count(r, member.Outcome)
	p.send(r, &r.head, age, &told{stamp: stamp}, member, payload)
	return true
}

// told is what the tiers behind this one said, and what the reply stands for.
type told struct {
	status []string // their Cache-Status
	stamp  uint64
	live   bool   // one of them holds a lease
	stale  bool   // it stands in for a response that did not come
	asked  uint64 // what the node that asked the upstream had applied then
	// withheld are fields that are for this client alone.
	withheld object.Block
}

// storedPayload opens the body of a stored response. ok is false when its first segment is gone: the
// entry is discarded then.
func (p *Proxy) storedPayload(r *request, head *object.Head, inline []byte, key string) (payload Payload, ok bool) {
	if r.method == http.MethodHead {
		return Payload{Length: head.BodySize}, true
	}
	r.cut = p.cutOf(r, head, head.BodySize, !head.Inline())
	if !head.Inline() && (p.notModified(r, head) || r.cut.use == httpcache.RangeUnsatisfiable) {
		return Payload{}, true // the body is not needed
	}
	if head.Inline() {
		return r.cut.bytes(inline, head), true
	}
	key = strings.Clone(key)
	stream := object.NewReaderAt(r.ctx, p.store, key, head, nil, r.cut.first())
	first := make([]byte, 1)
	if _, err := io.ReadFull(stream, first); err != nil {
		p.lostBody(r.ctx, key, err)
		_ = stream.Close() // it only ends fetches
		return Payload{}, false
	}
	body := &storedBody{Reader: stream, proxy: p, key: key, first: first}
	if r.cut.whole() {
		return Payload{Stream: body, Length: head.BodySize}, true
	}
	return r.cut.stream(body, r.cut.first(), head), true
}

// lostBody counts a body that is not all there, and discards its entry so that the next request
// fetches it again.
func (p *Proxy) lostBody(ctx context.Context, key string, err error) {
	if errors.Is(err, object.ErrCorrupt) {
		p.stats.Corrupt.Add(1)
	}
	p.stats.LostBodies.Add(1)
	p.discard(context.WithoutCancel(ctx), key)
}

// storedBody is a segmented body on its way out.
type storedBody struct {
	*object.Reader
	proxy *Proxy
	key   string
	first []byte // read ahead of the head, to know that the body is there
}

func (b *storedBody) Read(buf []byte) (int, error) {
	if len(b.first) > 0 && len(buf) > 0 {
		n := copy(buf, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	n, err := b.Reader.Read(buf)
	if errors.Is(err, object.ErrSegment) {
		b.proxy.lostBody(context.Background(), b.key, err)
	}
	return n, err
}

func (b *storedBody) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b.first)
	if err != nil {
		return int64(n), err
	}
	b.first = nil
	rest, err := b.Reader.WriteTo(w)
	if errors.Is(err, object.ErrSegment) {
		b.proxy.lostBody(context.Background(), b.key, err)
	}
	return int64(n) + rest, err
}

// send replies with a stored response, or with 304 when the client's own condition holds.
func (p *Proxy) send(r *request, head *object.Head, age time.Duration, upstream *told, member httpcache.Member, body Payload) {
	fields, status, body := p.asAsked(r.fields[:0], r, head, body)
	fields = append(fields, upstream.withheld...)
	fields = appendAge(fields, age)
	fields = p.appendControl(fields, r, upstream)
	fields = p.appendOwn(fields, &head.Meta, upstream.status, member)
	r.fields = fields
	if body.Length < 0 {
		body.Seal = r.tier
	}
	r.x.Reply(status, fields, body)
}

// asAsked appends the fields of a response as the client's own condition and range, which has become r.cut, leave it, and
// returns its status and body.
func (p *Proxy) asAsked(dst []byte, r *request, head *object.Head, body Payload) (fields []byte, status int, left Payload) {
	switch {
	case p.notModified(r, head):
		closePayload(body)
		return appendNotModified(dst, head.Fields, r.tier), http.StatusNotModified, Payload{}
	case !r.cut.whole():
		fields, status = r.cut.appendHead(dst, head)
		return fields, status, body
	}
	return append(dst, head.Fields...), head.Meta.Status, body
}

// notModified reports whether the client's own condition says that it has the response already.
func (p *Proxy) notModified(r *request, head *object.Head) bool {
	return httpcache.NotModified(r.header, r.method, head.Meta.Status, &head.Fields)
}

func closePayload(body Payload) {
	if body.Stream != nil {
		_ = body.Stream.Close() // it is not sent, so how it ends does not matter
	}
}

// serveResult answers with what a flight yielded. It reports false when this request must look again.
func (p *Proxy) serveResult(r *request, res *result, lead bool) (done bool) {
	if !r.coveredBy(res) {
		r.asReceived()
		return false
	}
	if res.alone || !lead && (res.solo != nil || !p.reusable(r, res)) {
		return p.goAlone(r, nil, res.fwd)
	}
	if res.solo != nil {
		p.sendSolo(r, res)
		return true
	}
	if len(res.head.Selecting) > 0 && !p.selects(r, &res.head) {
		return false
	}
	if refusal, again := p.judge(r, res); refusal != nil || again {
		if refusal != nil {
			p.refuse(r, refusal)
		}
		return !again
	}
	payload, ok := p.resultPayload(r, res, lead)
	if !ok {
		return false
	}
	member := res.member(!lead)
	p.count(r, member.Outcome)
	now := p.now()
	age := res.head.Meta.CurrentAge(now)
	member.TTL, member.HasTTL = res.head.Meta.Lifetime(&r.rules)-age, true
	if res.head.Meta.Flags.Has(httpcache.FlagPurged) {
		member.TTL = min(member.TTL, 0)
	}
	if !r.live && !res.vouches(r) && member.Detail != "stale-if-error" {
		member.Detail = "disconnected" // it may have been overtaken by a purge since it was asked for
	}
	upstream := res.told(r)
	if lead {
		upstream.withheld = res.withheld
	}
	p.send(r, &res.head, age, upstream, member, payload)
	return true
}

// reusable reports whether a request that waited for another one's fill may be given what it yielded: whoever
// collapses requests needs the right to reuse the response for each of them (RFC 9111, 4).
func (p *Proxy) reusable(r *request, res *result) bool {
	if res.stale {
		return true // it may stand in for an error
	}
	switch httpcache.Decide(&res.head.Meta, &r.parsed, p.now(), &r.rules).Use {
	case httpcache.UseFresh, httpcache.UseStale, httpcache.UseStaleWhileRevalidate:
		return true
	}
	return false
}

// judge says whether what a flight yielded may answer this request: yes, no with a refusal, or after another
// look, because a purge that the request must not miss has overtaken the response on its way.
func (p *Proxy) judge(r *request, res *result) (why *refusal, again bool) {
	if !r.vouched(res.live) {
		return refusalNotLive, false
	}
	if !r.vouched(res.vouches(r)) {
		r.detach = true
		return nil, true
	}
	if res.stale {
		return p.judgeStale(r, res), false
	}
	r.detach = !p.admits(r, res)
	return nil, r.detach
}

// judgeStale says whether a stale response that stands in for one that did not come may answer the request. A soft
// purge forbids it as little as age does, a hard one always. Who asks for an epoch wants nothing older; for another
// tier the response is marked, so that it can tell its own clients apart.
func (p *Proxy) judgeStale(r *request, res *result) *refusal {
	switch {
	case r.min > res.head.Stamp && !r.tier:
		return refusalBehind
	case p.control.Check(res.head.Stamp, res.head.Scopes) == invalidation.Dead:
		return refusalUnreachable
	}
	return nil
}

// selects reports whether the request selects the variant that the head is of.
func (p *Proxy) selects(r *request, head *object.Head) bool {
	r.key = r.key[:r.primary]
	r.setVariant(head.Selecting, generationIn(head.Key))
	return string(r.variantKey()) == head.Key
}

// resultPayload opens the body of a flight's result: the stream in progress, or the stored body.
func (p *Proxy) resultPayload(r *request, res *result, lead bool) (Payload, bool) {
	if res.body == nil {
		return p.storedPayload(r, &res.head, res.inline, res.key)
	}
	if r.method == http.MethodHead {
		if lead {
			_ = res.first.Close() // a flight's reader closes without error
		}
		return Payload{Length: res.length}, true
	}
	reader := res.first
	if !lead {
		var err error
		if reader, err = res.body.NewReader(r.ctx); err != nil {
			r.detach = true // nobody can join it any more
			return Payload{}, false
		}
	}
	if r.cut = p.cutOf(r, &res.head, res.length, true); r.cut.whole() {
		return Payload{Stream: reader, Length: res.length}, true
	}
	return r.cut.stream(reader, 0, &res.head), true
}
