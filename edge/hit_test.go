package edge

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"testing"

	"tiercache/edge/l1"
	"tiercache/shared/httpcache"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// canned is an upstream with one storable response.
type canned struct{ body string }

func (c canned) Fetch(context.Context, *policy.Match, *proxy.Request) (*proxy.Response, error) {
	return &proxy.Response{
		Status: 200, Length: int64(len(c.body)), Body: io.NopCloser(strings.NewReader(c.body)),
		Header: httpcache.Fields{{Name: "Content-Type", Value: "text/html"}, {Name: "Cache-Control", Value: "max-age=3600"}, {Name: "Etag", Value: `"abc"`}},
	}, nil
}

// still is an exchange whose reply is only looked at.
type still struct {
	fields httpcache.Fields
	status int
	body   int
}

func (s *still) Method() string           { return "GET" }
func (s *still) Scheme() string           { return "http" }
func (s *still) Authority() string        { return "site.example:8080" }
func (s *still) Target() string           { return "/some/path?with=query" }
func (s *still) Header() httpcache.Header { return pointed{&s.fields} }
func (s *still) Body() (io.Reader, int64) { return nil, 0 }
func (s *still) Protocol() string         { return "1.1" }
func (s *still) Peer() string             { return "127.0.0.1" }
func (s *still) Hint([]byte)              {}
func (s *still) Reply(status int, _ []byte, body proxy.Payload) {
	s.status, s.body = status, len(body.Bytes)
	if body.Stream != nil {
		n, _ := io.Copy(io.Discard, body.Stream)
		s.body = int(n)
		body.Stream.Close()
	}
}

// pointed is a Header that costs no allocation to pass on.
type pointed struct{ f *httpcache.Fields }

func (p pointed) Value(name string) string               { return p.f.Value(name) }
func (p pointed) Line(name string, i int) (string, bool) { return p.f.Line(name, i) }
func (p pointed) Values(name string) iter.Seq[string]    { return p.f.Values(name) }
func (p pointed) All() iter.Seq2[string, string]         { return p.f.All() }

func warm(tb testing.TB, size int) (*proxy.Proxy, *still) {
	tb.Helper()
	cache, err := l1.New(l1.Config{Size: 64 << 20})
	if err != nil {
		tb.Fatal(err)
	}
	set, err := policy.NewSet([]policy.Service{{Name: "s", Hosts: []string{"*"}, Upstream: policy.UpstreamOrigin}})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := proxy.New(proxy.Config{Node: "edge-1", FacesClients: true},
		proxy.Deps{Store: cache, Upstream: canned{strings.Repeat("x", size)}, Policy: set, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	x := &still{fields: httpcache.Fields{{Name: "Host", Value: "site.example:8080"}, {Name: "User-Agent", Value: "bench"}, {Name: "Accept", Value: "*/*"}}}
	for range 2 {
		p.Serve(tb.Context(), x)
	}
	if x.status != 200 || x.body != size || p.Requests(httpcache.Hit) != 1 {
		tb.Fatalf("not warm: %d, %d bytes, %d hits", x.status, x.body, p.Requests(httpcache.Hit))
	}
	return p, x
}

func BenchmarkHit(b *testing.B) {
	for _, size := range []int{1 << 10, 10 << 10, 100 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p, x := warm(b, size)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				p.Serve(ctx, x)
			}
		})
	}
}
