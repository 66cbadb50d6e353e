package httpcache

import (
	"testing"
	"time"
)

// hot is one request and one stored response as the hit path sees them. The headers are behind the
// interface, as there.
type hot struct {
	request, stored Header
	parsed          Request
	meta            Meta
	policy          Policy
	now             time.Time
}

func newHot() *hot {
	request := head("Host: example.com", "User-Agent: Mozilla/5.0", "Accept: text/html", "Accept-Encoding: gzip, deflate, br",
		"Cache-Control: max-age=0, foo=\"bar\"", "Cache-Control: only-if-cached", `If-None-Match: "x", W/"abc"`, "If-Modified-Since: "+date(-9),
		"CDN-Loop: tiercache;node=edge-2")
	stored := head("Date: "+date(0), "Content-Type: text/html", "Cache-Control: max-age=60, stale-while-revalidate=30", `ETag: "abc"`,
		"Last-Modified: "+date(-1000), "Vary: Accept-Encoding")
	return &hot{
		request: &request, stored: &stored, now: after(70), parsed: ParseRequest("GET", request),
		meta: NewMeta(200, stored, t0, t0), policy: Policy{HonourRequestDirectives: true},
	}
}

// hotPath is what a hit may call.
var hotPath = []struct {
	name string
	run  func(h *hot, buf []byte)
}{
	{"ParseRequest", func(h *hot, _ []byte) { h.parsed = ParseRequest("GET", h.request) }},
	{"Decide", func(h *hot, _ []byte) { Decide(&h.meta, &h.parsed, h.now, &h.policy) }},
	{"MayServeOnError", func(h *hot, _ []byte) { MayServeOnError(&h.meta, &h.parsed, h.now, &h.policy) }},
	{"NotModified", func(h *hot, _ []byte) { NotModified(h.request, "GET", 200, h.stored) }},
	{"AppendSelecting", func(h *hot, buf []byte) { AppendSelecting(buf, h.request, "Accept-Encoding") }},
	{"Weight", func(h *hot, _ []byte) { Weight(h.request, "gzip") }},
	{"Ranges", func(h *hot, _ []byte) { Ranges(h.request, 200, h.stored, 100) }},
	{"InLoop", func(h *hot, _ []byte) { InLoop(h.request, "tiercache", "edge-1") }},
	{"NewMeta", func(h *hot, _ []byte) { h.meta = NewMeta(200, h.stored, t0, t0) }},
	{"AppendCacheStatus", func(_ *hot, buf []byte) {
		AppendCacheStatus(buf, Member{Cache: "edge-1", Outcome: Hit, TTL: time.Minute, HasTTL: true, Detail: "d"})
	}},
	{"AppendDate", func(h *hot, buf []byte) { AppendDate(buf, h.meta.Date) }},
	{"AppendVia", func(h *hot, buf []byte) { AppendVia(buf, h.request, "1.1", "edge-1") }},
	{"AppendCDNLoop", func(h *hot, buf []byte) { AppendCDNLoop(buf, h.request, "tiercache", "edge-1") }},
}

func TestHotPath_DoesNotAllocate(t *testing.T) {
	h := newHot()
	buf := make([]byte, 0, 256)
	for _, f := range hotPath {
		if n := testing.AllocsPerRun(100, func() { f.run(h, buf) }); n != 0 {
			t.Errorf("%s: %v allocations", f.name, n)
		}
	}
}

func BenchmarkHotPath(b *testing.B) {
	buf := make([]byte, 0, 256)
	for _, f := range hotPath {
		b.Run(f.name, func(b *testing.B) {
			h := newHot()
			b.ReportAllocs()
			for b.Loop() {
				f.run(h, buf)
			}
		})
	}
}

func BenchmarkStoredFields(b *testing.B) {
	h := newHot()
	b.ReportAllocs()
	for b.Loop() {
		StoredFields(h.stored, &h.meta)
	}
}
