package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
)

func requestAsItIs(t *testing.T, with hops) {
	seen := make(chan string, 10)
	addr := with.serve(t, func(_ context.Context, x proxy.Exchange) {
		_, length := x.Body()
		seen <- strings.Clone(fmt.Sprint(x.Method(), " ", x.Authority(), x.Target(), " ", length,
			slices.Collect(x.Header().Values(tierField)), slices.Collect(x.Header().Values("X-A")), x.Header().Value("Cookie")))
		x.Reply(203, []byte("X-B: 1\r\nSet-Cookie: a=1\r\nX-B: 2\r\nSet-Cookie: b=2\r\n"), proxy.Payload{Bytes: []byte("ok")})
	})
	to := with.ask(t)
	for _, target := range []string{"/a%2Fb", "//double?x", "/a/../b", "/%7e?a=%20", "/a?", "/?", "/a?b=/../c?&=%2f"} {
		r := getting(target)
		r.Header = httpcache.Fields{{Name: "Cookie", Value: "x=1; y=2"}, {Name: "X-A", Value: "1"}, {Name: tierField, Value: "forged"}, {Name: "X-A", Value: "2"}}
		response := fetched(t, to, addr, r)
		if got, want := next(t, seen), "GET "+siteHost+target+" 0 [secret] [1 2]x=1; y=2"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if len(r.Header) != 4 || r.Header.Value(tierField) != "forged" {
			t.Errorf("the caller's fields have become %v", r.Header)
		}
		cookies, others := slices.Collect(response.Header.Values("Set-Cookie")), slices.Collect(response.Header.Values("X-B"))
		if response.Status != 203 || !response.FromTier || response.Length != 2 || fmt.Sprint(cookies, others) != "[a=1 b=2] [1 2]" {
			t.Errorf("%d %v, length %d", response.Status, response.Header, response.Length)
		}
	}
}

func headFirst(t *testing.T, with hops) {
	body := newStream()
	addr := with.serve(t, func(_ context.Context, x proxy.Exchange) {
		x.Reply(200, []byte("ETag: \"1\"\r\n"), proxy.Payload{Stream: body, Length: int64(2 * len(part()))})
	})
	body.parts <- part()
	response := fetched(t, with.ask(t), addr, getting("/"))
	if response.Status != 200 || response.Header.Value("ETag") != `"1"` || response.Length != int64(2*len(part())) {
		t.Errorf("%d %v, length %d", response.Status, response.Header, response.Length)
	}
	n := begun(t, response.Body)
	body.parts <- part()
	close(body.parts)
	if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != (part() + part())[n:] {
		t.Errorf("%d bytes behind %d, %v", len(rest), n, err)
	}
	next(t, body.closed)
}

func bodiesWhole(t *testing.T, with hops) {
	content := func(target string) string { return strings.Repeat(target, 1000) }
	addr := with.serve(t, func(_ context.Context, x proxy.Exchange) {
		body := content(x.Target())
		switch {
		case strings.HasPrefix(x.Target(), "/memory"):
			x.Reply(200, nil, proxy.Payload{Bytes: []byte(body)})
		case strings.HasPrefix(x.Target(), "/length"):
			x.Reply(200, nil, proxy.Payload{Stream: io.NopCloser(strings.NewReader(body)), Length: int64(len(body))})
		case strings.HasPrefix(x.Target(), "/empty"):
			x.Reply(200, nil, proxy.Payload{})
		default:
			x.Reply(200, nil, proxy.Payload{Stream: io.NopCloser(strings.NewReader(body)), Length: -1, Seal: true})
		}
	})
	to := with.ask(t)
	var asked sync.WaitGroup
	for i := range 3 {
		for _, kind := range []string{"/memory", "/length", "/sealed", "/empty"} {
			asked.Go(func() {
				target := fmt.Sprint(kind, i)
				want := content(target)
				length := int64(len(want))
				switch kind {
				case "/empty":
					want, length = "", 0
				case "/sealed":
					length = -1
				}
				response, err := to.Fetch(t.Context(), addr, 10*time.Second, getting(target))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(response.Body)
				if string(got) != want || err != nil || response.Length != length || response.Body.Close() != nil {
					t.Errorf("%s: %d bytes, %v, length %d", target, len(got), err, response.Length)
				}
				if _, err := response.Body.Read(make([]byte, 1)); err == nil {
					t.Errorf("%s: read behind its end", target)
				}
			})
		}
	}
	asked.Wait()
}

func bodyBreaksOff(t *testing.T, with hops) {
	broken := errors.New("broken")
	addr := with.serve(t, func(_ context.Context, x proxy.Exchange) {
		body := newStream()
		body.parts <- "some"
		close(body.parts)
		switch x.Target() {
		case "/known":
			body.err = broken
			x.Reply(200, nil, proxy.Payload{Stream: body, Length: 8})
		case "/unknown":
			body.err = broken
			x.Reply(200, nil, proxy.Payload{Stream: body, Length: -1, Seal: true})
		case "/short":
			x.Reply(200, nil, proxy.Payload{Stream: body, Length: 8})
		}
	})
	to := with.ask(t)
	for _, target := range []string{"/known", "/unknown", "/short"} {
		response, err := to.Fetch(t.Context(), addr, 10*time.Second, getting(target))
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		body, err := io.ReadAll(response.Body) // no error would be io.EOF
		if err == nil || !strings.HasPrefix("some", string(body)) {
			t.Errorf("%s: %q is whole", target, body)
		}
		if _, again := response.Body.Read(make([]byte, 1)); again == nil || errors.Is(again, io.EOF) {
			t.Errorf("%s: then %v", target, again)
		}
		_ = response.Body.Close() // of what is broken
	}
}

func withoutABody(t *testing.T, with hops) {
	addr := with.serve(t, func(_ context.Context, x proxy.Exchange) {
		switch x.Target() {
		case "/304":
			x.Reply(304, []byte("ETag: \"1\"\r\n"), proxy.Payload{})
		case "/204":
			x.Reply(204, nil, proxy.Payload{})
		default:
			x.Reply(200, []byte("ETag: \"1\"\r\n"), proxy.Payload{Length: 99})
		}
	})
	to := with.ask(t)
	for target, method := range map[string]string{"/304": "GET", "/204": "GET", "/head": "HEAD"} {
		r := getting(target)
		r.Method = method
		response := fetched(t, to, addr, r)
		body, err := io.ReadAll(response.Body)
		if len(body) != 0 || err != nil {
			t.Errorf("%s: %q, %v", target, body, err)
		}
		switch {
		case target == "/304" && (response.Status != 304 || response.Header.Value("ETag") != `"1"`):
			t.Errorf("%d %v", response.Status, response.Header)
		case target == "/head" && (response.Status != 200 || response.Length != 99):
			t.Errorf("%d, length %d", response.Status, response.Length)
		}
	}
}
