package proxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// RFC 9211: what each branch says of itself.
func TestHTTP_CacheStatusOfEachBranch(t *testing.T) {
	hold := make(chan struct{})
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			cacheable("x")(w, r)
			http.NewResponseController(w).Flush()
			<-hold
		case "/private":
			setLines(w, []string{"Cache-Control: private"})
		case "/vary":
			setLines(w, []string{"Cache-Control: max-age=60", "Vary: Foo"})
		default:
			setLines(w, []string{"Cache-Control: max-age=60, stale-while-revalidate=600", `ETag: "v1"`})
			if r.Header.Get("If-None-Match") != "" {
				w.WriteHeader(http.StatusNotModified)
			}
		}
	})
	for _, c := range []struct {
		method, path, field string
		later               time.Duration
		want                string
	}{
		{"GET", "/", "", 0, "edge-1; fwd=uri-miss; fwd-status=200; ttl=60; stored"},
		{"GET", "/", "", 0, "edge-1; hit; ttl=60"},
		{"HEAD", "/", "", 0, "edge-1; hit; ttl=60"},
		{"GET", "/", `If-None-Match: "v1"`, 0, "edge-1; hit; ttl=60"},
		{"GET", "/", `If-Match: "v1"`, 0, "edge-1; fwd=bypass; fwd-status=200"},
		{"OPTIONS", "/", "", 0, "edge-1; fwd=method; fwd-status=200"},
		{"GET", "/private", "", 0, "edge-1; fwd=uri-miss; fwd-status=200; detail=private"},
		{"GET", "/vary", "", 0, "edge-1; fwd=uri-miss; fwd-status=200; ttl=60; stored"},
		{"GET", "/vary", "Foo: 1", 0, "edge-1; fwd=vary-miss; fwd-status=200; ttl=60; stored"},
		{"GET", "/none", "Cache-Control: only-if-cached", 0, `edge-1; detail="only-if-cached, and nothing usable is stored"`},
		{"GET", "/", "", 1000 * time.Second, "edge-1; fwd=stale; fwd-status=304; ttl=60; stored"},
		{"GET", "/", "", 100 * time.Second, "edge-1; hit; ttl=-40"},
	} {
		s.clock.advance(c.later)
		var fields []string
		if c.field != "" {
			fields = []string{c.field}
		}
		got := s.do(c.method, c.path, fields...).header.Get("Cache-Status")
		// Up to a second may have gone by on the way.
		if got = strings.NewReplacer("ttl=59", "ttl=60", "ttl=-41", "ttl=-40").Replace(got); got != c.want {
			t.Errorf("%s %s %q: %q, want %q", c.method, c.path, c.field, got, c.want)
		}
	}
	for _, want := range []string{"edge-1; fwd=uri-miss; fwd-status=200; ttl=60; stored", "edge-1; fwd=uri-miss; fwd-status=200; ttl=60; stored; collapsed"} {
		response, err := s.client.Get(s.url + "/slow") // returns with the head, while the body is on its way
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if got := strings.ReplaceAll(response.Header.Get("Cache-Status"), "ttl=59", "ttl=60"); got != want {
			t.Errorf("of two at once: %q, want %q", got, want)
		}
	}
	close(hold)
}

// RFC 9209: an error that is ours says so and why, and is stored by nobody.
func TestHTTP_OurOwnErrorsSayWhy(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		raw    string
		status int
		want   string
	}{
		{"", 504, "destination_unavailable"},
		{"garbage\r\n\r\n", 502, "http_protocol_error"},
		{ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 502, "http_protocol_error"},
		{ok + "Transfer-Encoding: x\r\n\r\nabc", 502, "http_response_transfer_coding"},
		{"HTTP/1.1 304 Not Modified\r\n\r\n", 502, "http_protocol_error"},
	} {
		s := newSystem(t, nil, broken(t, c.raw))
		r := s.get("/")
		if r.status != c.status || r.header.Get("Proxy-Status") != "edge-1; error="+c.want || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%.40q: %d %v", c.raw, r.status, r.header)
		}
	}
	hold := make(chan struct{})
	s := newSystem(t, func(http.ResponseWriter, *http.Request) { <-hold }, func(_ *proxy.Config, s *policy.Service) { s.Timeout = 100 * time.Millisecond })
	defer close(hold)
	if r := s.get("/"); r.status != 504 || r.header.Get("Proxy-Status") != "edge-1; error=http_response_timeout" {
		t.Errorf("no answer in time: %d %v", r.status, r.header)
	}
}

// Errors that one client's odd request has provoked are not what the next one gets, unless the upstream says that they
// may be stored.
func TestHTTP_ErrorsOfOddRequestsAreNotStored(t *testing.T) {
	for _, status := range []int{400, 403, 404, 405, 413, 414, 431, 500, 501, 503} {
		s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Odd") != "" {
				w.WriteHeader(status)
				return
			}
			cacheable("x")(w, r)
		})
		s.get("/", "X-Odd: 1").expect(t, status, "", "edge-1; fwd=uri-miss")
		s.get("/").expect(t, 200, "x", "stored")
		s.get("/", "X-Odd: 1").expect(t, 200, "x", "hit")
	}
}

// What says that it is fresh is not stored either if the request's own fields may have caused it: very long ones, or
// bytes that are not ASCII. Nor can such requests make a key one of which everybody asks for himself.
func TestHTTP_ErrorsOfOddRequestsAreNotStoredThoughFresh(t *testing.T) {
	for _, status := range []int{400, 403, 404, 405, 414, 500, 501} {
		s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			if len(r.Header.Get("X-Odd")) > 3000 || r.Header.Get("X-Odd") == "\x80" || r.Header.Get("X-Odd") == "plain" {
				w.WriteHeader(status)
				return
			}
			fmt.Fprint(w, "x")
		})
		for i, odd := range []string{strings.Repeat("a", 5<<10), "\x80"} {
			path := fmt.Sprint("/", i)
			s.get(path, "X-Odd: "+odd).expect(t, status, "", "detail=odd-request")
			s.get(path).expect(t, 200, "x", "stored")
			s.get(path, "X-Odd: "+odd).expect(t, 200, "x", "hit")
		}
		s.get("/plain", "X-Odd: plain").expect(t, status, "", "stored")
	}
}

// RFC 9110, 7.6.2: OPTIONS is forwarded as often as it allows. No other method counts: TRACE is refused by the first node.
func TestHTTP_MaxForwards(t *testing.T) {
	handle := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Left", r.Header.Get("Max-Forwards"))
		w.WriteHeader(http.StatusAccepted)
	}
	for tiers, s := range map[int64]*system{1: newSystem(t, handle), 2: twoTiers(t, "secret", handle)} {
		for _, c := range []struct {
			method, hops string
			status       int
			left         string
		}{
			{"OPTIONS", "0", 204, ""}, {"OPTIONS", fmt.Sprint(tiers - 1), 204, ""}, {"TRACE", "0", 501, ""}, {"TRACE", "9", 501, ""},
			{"OPTIONS", fmt.Sprint(tiers), 202, "0"}, {"OPTIONS", fmt.Sprint(tiers + 7), 202, "7"}, {"OPTIONS", "x", 202, "x"}, {"DELETE", "0", 202, "0"},
		} {
			r := s.do(c.method, "/", "Max-Forwards: "+c.hops)
			if left := r.header.Get("X-Left"); r.status != c.status || left != c.left || c.status == 204 && r.header.Get("Allow") == "" {
				t.Errorf("%d tiers, %s with %s: %d with %q, %v", tiers, c.method, c.hops, r.status, left, r.header)
			}
		}
	}
}

// RFC 9110, 7.6.3: Via says in which version a message came to the node.
func TestHTTP_ViaSaysTheVersion(t *testing.T) {
	var via string
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		via = r.Header.Get("Via")
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx") // the client's loss
	})
	for _, want := range []string{"stored", "hit"} {
		r := s.get("/")
		if r.expect(t, 200, "x", want); r.header.Get("Via") != "1.0 edge-1 (tiercache)" {
			t.Errorf("%s: %q", want, r.header.Get("Via"))
		}
	}
	addr := strings.TrimPrefix(s.url, "http://")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /old HTTP/1.0\r\nHost: "+addr+"\r\nVia: 1.1 front\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if reply, err := io.ReadAll(conn); err != nil || via != "1.1 front, 1.0 edge-1 (tiercache)" {
		t.Errorf("the upstream got Via: %q, the client %q, %v", via, reply, err)
	}
}

// RFC 9110, 9.3.1: content of a GET has no meaning; it does not reach the upstream, on a miss or past the cache.
func TestHTTP_ContentOfGetIsNotForwarded(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || len(body) > 0 || r.ContentLength != 0 {
			t.Errorf("the upstream got %q, %v", body, err)
		}
		cacheable("x")(w, r)
	})
	for _, field := range []string{"X-None", "If-Match", "X-None"} {
		request, err := http.NewRequest("GET", s.url, strings.NewReader("a=b"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set(field, `"v1"`)
		response, err := s.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 200 {
			t.Errorf("%d", response.StatusCode)
		}
	}
}

// RFC 8586, 3: a client can neither take CDN-Loop away nor hide in it where the request has been.
func TestHTTP_CDNLoopCannotBeRemoved(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if got := strings.Join(r.Header.Values("CDN-Loop"), ", "); got != "other;x=1, tiercache;node=edge-1" {
			t.Errorf("CDN-Loop: %q", got)
		}
		cacheable("x")(w, r)
	})
	s.get("/a", "CDN-Loop: other;x=1", "Connection: CDN-Loop").expect(t, 200, "x", "stored")
	if r := s.get("/b", "Connection: CDN-Loop", "CDN-Loop: x", "CDN-Loop: TierCache; node=EDGE-1"); r.status != http.StatusLoopDetected {
		t.Errorf("%d %v", r.status, r.header)
	}
}

// RFC 9842, 6.2: a response that is coded with a dictionary is for those that have it, as its Vary says.
func TestHTTP_DictionaryCodingsGoByVary(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		setLines(w, []string{"Cache-Control: max-age=60", "Vary: Accept-Encoding, Available-Dictionary"})
		if dictionary := r.Header.Get("Available-Dictionary"); dictionary != "" {
			w.Header().Set("Content-Encoding", "dcz")
			fmt.Fprint(w, "by ", dictionary)
			return
		}
		fmt.Fprint(w, "plain")
	})
	for _, want := range []string{"stored", "hit"} {
		s.get("/", "Accept-Encoding: dcz", "Available-Dictionary: :pZGm:").expect(t, 200, "by :pZGm:", want)
		s.get("/", "Accept-Encoding: dcz", "Available-Dictionary: :AAAA:").expect(t, 200, "by :AAAA:", want)
		s.get("/", "Accept-Encoding: dcz").expect(t, 200, "plain", want)
	}
}

// A request's cookies select nothing by themselves: a response that depends on them must say so.
func TestHTTP_CookiesSelectByVaryAlone(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if r.URL.Path == "/mine" {
			w.Header().Set("Vary", "Cookie")
		}
		fmt.Fprint(w, r.Header.Get("Cookie"))
	})
	s.get("/all", "Cookie: a").expect(t, 200, "a", "stored")
	s.get("/all", "Cookie: b").expect(t, 200, "a", "hit")
	s.get("/mine", "Cookie: a").expect(t, 200, "a", "stored")
	s.get("/mine", "Cookie: b").expect(t, 200, "b", "vary-miss")
	s.get("/mine", "Cookie: a").expect(t, 200, "a", "hit")
}
