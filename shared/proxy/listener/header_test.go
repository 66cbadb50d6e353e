package listener

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
)

// Whoever reads lines in turn gets those of the name that was asked for, of this request.
func TestHeader_LinesOfSeveralNames(t *testing.T) {
	addr := serve(t, func(_ context.Context, x proxy.Exchange) {
		h := x.Header().(httpcache.Indexed)
		name := []byte("X-A")
		var got []string
		line := func(name string, i int) {
			v, ok := h.Line(name, i)
			got = append(got, fmt.Sprintf("%s %t", v, ok))
		}
		line(alias(name), 0)
		line("X-B", 0)
		line(alias(name), 1)
		copy(name, "X-C") // callers reuse the memory of their names
		line(alias(name), 0)
		line("X-C", 1)
		for v := range h.Values("X-B") {
			got = append(got, v)
		}
		x.Reply(200, nil, proxy.Payload{Bytes: []byte(strings.Join(got, " "))})
	})
	for range 2 {
		_, body, _ := exchangeRaw(t, addr, "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-B: 2\r\nX-A: 3\r\nX-C: 4\r\n\r\n")
		if want := "1 true 2 true 3 true 4 true  false 2"; body != want {
			t.Errorf("got %q, want %q", body, want)
		}
		_, body, _ = exchangeRaw(t, addr, "GET / HTTP/1.1\r\nHost: h\r\nX-B: 5\r\n\r\n")
		if want := " false 5 true  false  false  false 5"; body != want {
			t.Errorf("got %q, want %q", body, want)
		}
	}
}

// An exchange is pooled with its header.
func TestHeader_ResetForgets(t *testing.T) {
	var first, second fasthttp.RequestHeader
	first.Set("X-A", "1")
	second.Set("X-A", "2")
	var h header
	for fields, want := range map[*fasthttp.RequestHeader]string{&first: "1", &second: "2"} {
		h.reset(fields)
		if got, _ := h.Line("X-A", 0); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The lines of one name are collected once, not anew for each of them.
func TestHeader_LinesAreCollectedOnce(t *testing.T) {
	addr := serve(t, func(_ context.Context, x proxy.Exchange) {
		h := x.(*exchange)
		h.header.Line("X-A", 0)
		first := h.header.values
		first[1] = []byte("kept")
		v, _ := h.header.Line("X-A", 1)
		x.Reply(200, nil, proxy.Payload{Bytes: []byte(v)})
	})
	if _, body, _ := exchangeRaw(t, addr, "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\n\r\n"); body != "kept" {
		t.Errorf("collected again: %q", body)
	}
}
