package simulation

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"tiercache/shared/httpcache"
)

// bytesOf makes a chance a source of bytes.
type bytesOf struct{ *chance }

func (b *bytesOf) Read(into []byte) (int, error) {
	for i := range into {
		into[i] = byte(b.next())
	}
	return len(into), nil
}

// hold is how long an upstream keeps a response: mostly not at all, sometimes up to five seconds, before it has read
// what it sends, after that, and in the middle of the body.
type hold struct{ before, after, within time.Duration }

func (w *world) hold() (h hold) {
	if w.calm.Load() {
		return h
	}
	c := w.holds
	switch c.below(8) {
	case 0:
		h.before = c.between(0, time.Second)
	case 1:
		h.after = c.between(0, time.Second)
	case 2:
		h.within = c.between(0, time.Second)
	case 3:
		h.after = c.between(0, 5*time.Second)
	case 4:
		h.after, h.within = c.between(0, 2*time.Second), c.between(0, 2*time.Second)
	}
	return h
}

// serveOrigin is the origin: objects, each with the epoch that it is of.
func (w *world) serveOrigin(ctx context.Context, r *request, answer func(int, httpcache.Fields, int64) *response) {
	page := w.page(r)
	h := w.hold()
	if page == nil || sleep(ctx, h.before) != nil || w.net.hop(ctx, w.origin, w.sql) != nil {
		return
	}
	v, epoch, err := w.db.lookup(page.name, func() { _ = sleep(ctx, w.holds.between(0, 20*time.Millisecond)) })
	if w.net.hop(ctx, w.sql, w.origin) != nil || sleep(ctx, h.after) != nil {
		return
	}
	if err != nil {
		p := answer(504, httpcache.Fields{{Name: "Cache-Control", Value: "no-store"}}, 0)
		p.end(io.EOF)
		return
	}
	fields := page.fields(v)
	fields.Set("Tiercache-Epoch", strconv.FormatUint(epoch, 10))
	fields.Set("Tiercache-Lease", "live")
	w.sendPage(ctx, r, page, v, fields, h.within, answer)
}

// serveSite is a foreign site. It also says what only a node of the fleet may say.
func (w *world) serveSite(ctx context.Context, r *request, answer func(int, httpcache.Fields, int64) *response) {
	page := w.page(r)
	h := w.hold()
	if page == nil || sleep(ctx, h.before) != nil {
		return
	}
	at := time.Now()
	if page.host == lagHost {
		at = at.Add(-w.holds.between(0, replicaLag))
	}
	v := w.db.asOf(page.name, at)
	if sleep(ctx, h.after) != nil {
		return
	}
	if w.failing.Load() {
		p := answer(503, httpcache.Fields{{Name: "Cache-Control", Value: "no-store"}}, 0)
		p.end(io.EOF)
		return
	}
	fields := page.fields(v)
	fields.Set("Tiercache-Epoch", "4000000000000000")
	fields.Set("Tiercache-Lease", "live")
	w.sendPage(ctx, r, page, v, fields, h.within, answer)
}

// page is what a request is for.
func (w *world) page(r *request) *resource {
	path, _, _ := strings.Cut(r.target, "?")
	for _, p := range w.pages {
		if p.path == path && p.host == r.host {
			return p
		}
	}
	return nil
}

// fields are those of a response with that version.
func (r *resource) fields(v version) httpcache.Fields {
	return httpcache.Fields{
		{Name: "Cache-Control", Value: r.cacheControl()},
		{Name: "Content-Type", Value: "text/plain"},
		{Name: "ETag", Value: fmt.Sprintf("%q", strconv.Itoa(v.n))},
		{Name: "Surrogate-Key", Value: strings.Join(r.tags, " ")},
	}
}

// sendPage sends the version, or 304 to who has it. Its body comes in two parts.
func (w *world) sendPage(ctx context.Context, r *request, page *resource, v version, fields httpcache.Fields, within time.Duration, answer func(int, httpcache.Fields, int64) *response) {
	if r.header.Value("If-None-Match") == fields.Value("ETag") {
		p := answer(304, fields, 0)
		p.end(io.EOF)
		return
	}
	body := page.name + "=" + strconv.Itoa(v.n)
	p := answer(200, fields, int64(len(body)))
	if !p.write([]byte(body[:len(body)/2])) || sleep(ctx, within) != nil {
		return
	}
	if p.write([]byte(body[len(body)/2:])) {
		p.end(io.EOF)
	}
}
