package holdings

import (
	"context"
	"encoding/hex"
	"time"

	"tiercache/shared/cachekey"
	"tiercache/shared/object"
	"tiercache/shared/policy"
)

// entryOverhead is about how many bytes of JSON an entry takes beyond its target, host and scopes.
const entryOverhead = 400

// page is the next one of a walk.
func (h *Holdings) page(ctx context.Context, q *EntriesQuestion) (*Page, error) {
	w, err := h.walkOf(q)
	if err != nil {
		return nil, err
	}
	// INVARIANT: applied is loaded before any entry is judged. An entry may have been judged by more.
	p := &Page{Applied: h.deps.View.Applied(), Live: h.deps.View.Live(time.Now()), Entries: []Entry{}}
	more, err := h.fill(ctx, w, p, pageLimit(q.Limit))
	w.number++
	p.Number = w.number
	h.walks.giveBack(w, !more || err != nil)
	if err != nil {
		return nil, err
	}
	if more {
		p.Walk = w.id
	}
	return p, nil
}

func pageLimit(asked int) int {
	if asked <= 0 {
		return MaxPage
	}
	return min(asked, MaxPage)
}

func (h *Holdings) walkOf(q *EntriesQuestion) (*walk, error) {
	if q.Walk == "" {
		return h.walks.begin(h.deps.Store, q.Service)
	}
	return h.walks.take(q.Walk)
}

// fill puts entries on the page until it is full, in number, bytes or time; more is false at the end of the walk.
func (h *Holdings) fill(ctx context.Context, w *walk, p *Page, limit int) (more bool, err error) {
	size, end := 0, time.Now().Add(pageTime)
	for len(p.Entries) < limit && size < pageBytes && time.Now().Before(end) && ctx.Err() == nil {
		item, err, found := w.next()
		switch {
		case !found:
			return false, nil
		case err != nil:
			return false, err
		}
		e, ok := h.entry(&item, w.service)
		if e == nil {
			if !ok {
				p.Unreadable++
			}
			continue
		}
		p.Entries = append(p.Entries, *e)
		size += entryOverhead + len(e.Target) + len(e.Host) + 4*len(e.Scopes)/3
	}
	return true, ctx.Err()
}

// entry is what an item is, judged now; nil for what is of another service and, with ok false, for what is no entry.
func (h *Holdings) entry(item *object.Item, service string) (e *Entry, ok bool) {
	var head object.Head
	if object.DecodeHead(item.Value, &head) != nil {
		return nil, false
	}
	parts, form, _ := cachekey.Parse(head.Key)
	if service != "" && parts.Service != service {
		return nil, true
	}
	etag, _ := head.Fields.Line("ETag", 0)
	e = &Entry{
		Key: hex.EncodeToString([]byte(item.Key)), Service: parts.Service, Scheme: parts.Scheme, Host: parts.Host, Target: parts.Target,
		Kind: head.Kind.String(), Part: form == cachekey.FormPart, Stamp: head.Stamp, Scopes: pack(head.Scopes),
		Status: head.Meta.Status, ETag: etag, Bytes: bytesOf(item, &head), Stored: time.UnixMilli(head.Meta.ResponseTime).UTC(),
	}
	if m := (*h.services.Load())[parts.Service]; m != nil {
		e.Own = m.Upstream == policy.UpstreamOrigin
		e.Withheld = m.Strict() && !h.deps.View.Live(time.Now())
	}
	// INVARIANT: it is judged after it was read, by the view that the node's requests use.
	e.Verdict = h.deps.View.Check(head.Stamp, head.Scopes).String()
	return e, true
}

// bytesOf is what an entry takes, with its body.
func bytesOf(item *object.Item, head *object.Head) int64 {
	size, err := object.HeadSize(item.Value)
	if err != nil {
		return 0 // cannot be: it was decoded
	}
	return int64(size) + head.BodySize
}
