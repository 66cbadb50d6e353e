package proxy_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
	"tiercache/shared/testkit"
)

func cacheable(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("ETag", `"v1"`)
		fmt.Fprint(w, body)
	}
}

func TestServe_MissThenHit(t *testing.T) {
	s := newSystem(t, cacheable("hello"))
	first := s.get("/a?b=1")
	first.expect(t, 200, "hello", "edge-1; fwd=uri-miss; fwd-status=200; ttl=")
	s.clock.advance(10 * time.Second)
	second := s.get("/a?b=1")
	second.expect(t, 200, "hello", "edge-1; hit; ttl=")
	if second.header.Get("Age") != "10" || second.header.Get("Date") != first.header.Get("Date") || second.header.Get("Via") != "1.1 edge-1 (tiercache)" {
		t.Errorf("fields of a hit: %v", second.header)
	}
	s.get("/a?b=2").expect(t, 200, "hello", "fwd=uri-miss")
	s.get("/a?b=1", "Host: site.example").expect(t, 200, "hello", "fwd=uri-miss")
	if n := s.fetched.Load(); n != 3 {
		t.Errorf("%d fetches, want 3", n)
	}
}

func TestServe_HeadAndConditions(t *testing.T) {
	s := newSystem(t, cacheable("hello"))
	s.do("HEAD", "/a").expect(t, 200, "", "fwd=uri-miss")
	s.get("/a").expect(t, 200, "hello", "fwd=uri-miss")
	head := s.do("HEAD", "/a")
	head.expect(t, 200, "", "hit")
	if head.header.Get("Content-Length") != "5" {
		t.Errorf("HEAD: %v", head.header)
	}
	same := s.get("/a", `If-None-Match: "v0", W/"v1"`)
	same.expect(t, 304, "", "hit")
	if same.header.Get("ETag") != `"v1"` || same.header.Get("Content-Type") != "" {
		t.Errorf("304: %v", same.header)
	}
	s.get("/a", `If-None-Match: "other"`).expect(t, 200, "hello", "hit")
	// A client's own condition on a miss must not decide what is stored.
	s.get("/b", `If-None-Match: "v1"`).expect(t, 304, "", "fwd=uri-miss")
	waitFor(t, func() bool { // the 304 is out before the body is stored
		r := s.get("/b")
		r.expect(t, 200, "hello", "edge-1; ")
		return strings.Contains(r.header.Get("Cache-Status"), "hit")
	})
}

func TestServe_Revalidates(t *testing.T) {
	version := "v1"
	var mu sync.Mutex
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("ETag", `"`+version+`"`)
		w.Header().Set("Cache-Control", "max-age=60")
		if r.Header.Get("If-None-Match") == `"`+version+`"` {
			w.Header().Set("X-Fresh", "yes")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, version)
	})
	s.get("/").expect(t, 200, "v1", "fwd=uri-miss")
	s.clock.advance(2 * time.Minute)
	again := s.get("/")
	again.expect(t, 200, "v1", "edge-1; fwd=stale; fwd-status=304; ttl=")
	if again.header.Get("X-Fresh") != "yes" {
		t.Error("the 304's fields were not taken over")
	}
	s.get("/").expect(t, 200, "v1", "hit")
	mu.Lock()
	version = "v2"
	mu.Unlock()
	s.clock.advance(2 * time.Minute)
	s.get("/").expect(t, 200, "v2", "fwd=stale; fwd-status=200")
	s.get("/").expect(t, 200, "v2", "hit")
}

func TestServe_StaleWhileRevalidate(t *testing.T) {
	hold := make(chan struct{}, 10)
	s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
		<-hold
		w.Header().Set("Cache-Control", "max-age=10, stale-while-revalidate=60")
		fmt.Fprint(w, "x")
	})
	hold <- struct{}{}
	s.get("/").expect(t, 200, "x", "fwd=uri-miss")
	s.clock.advance(20 * time.Second)
	for range 5 {
		s.get("/").expect(t, 200, "x", "hit; ttl=-")
	}
	hold <- struct{}{}
	waitFor(t, func() bool { return strings.Contains(s.get("/").header.Get("Cache-Status"), "hit; ttl=10") })
	if n := s.fetched.Load(); n != 2 {
		t.Errorf("%d fetches, want 2: one refresh in the background", n)
	}
}

func TestServe_StaleIfError(t *testing.T) {
	var fail bool
	var mu sync.Mutex
	s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if fail {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Cache-Control", "max-age=10, stale-if-error=60")
		fmt.Fprint(w, "x")
	})
	s.get("/").expect(t, 200, "x", "fwd=uri-miss")
	mu.Lock()
	fail = true
	mu.Unlock()
	s.clock.advance(20 * time.Second)
	s.get("/").expect(t, 200, "x", "fwd=stale; fwd-status=503")
	s.upstream.Close()
	s.get("/").expect(t, 200, "x", "fwd=stale")
	s.clock.advance(time.Minute)
	if r := s.get("/"); r.status != http.StatusGatewayTimeout || r.header.Get("Proxy-Status") == "" {
		t.Errorf("outside of the window: %d %v", r.status, r.header)
	}
}

func TestServe_UnstorableIsNeverShared(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		http.SetCookie(w, &http.Cookie{Name: "user", Value: r.Header.Get("X-User")})
		fmt.Fprint(w, r.Header.Get("X-User"))
	})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			user := fmt.Sprint("u", i)
			r := s.get("/", "X-User: "+user)
			if r.body != user || r.header.Get("Set-Cookie") != "user="+user {
				t.Errorf("%s got %q %v", user, r.body, r.header)
			}
		})
	}
	wg.Wait()
	s.get("/", "X-User: z").expect(t, 200, "z", "detail=set-cookie")
}

func TestServe_AuthorizationIsNotShared(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, r.Header.Get("Authorization"))
	})
	s.get("/", "Authorization: a").expect(t, 200, "a", "detail=authorization")
	s.get("/", "Authorization: b").expect(t, 200, "b", "detail=authorization")
	s.get("/").expect(t, 200, "", "stored")
}

func TestServe_CollapsesIntoOneFill(t *testing.T) {
	hold := make(chan struct{})
	s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
		<-hold
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, "x")
	})
	var wg sync.WaitGroup
	results := make([]reply, 50)
	for i := range results {
		wg.Go(func() { results[i] = s.get("/") })
	}
	waitFor(t, func() bool { return s.fetched.Load() == 1 })
	close(hold)
	wg.Wait()
	for _, r := range results {
		r.expect(t, 200, "x", "edge-1; ")
	}
	if n := s.fetched.Load(); n != 1 {
		t.Errorf("%d fetches for 50 requests", n)
	}
}

func TestServe_Vary(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "Accept-Language")
		fmt.Fprint(w, r.Header.Get("Accept-Language"))
	})
	s.get("/", "Accept-Language: de").expect(t, 200, "de", "stored")
	s.get("/", "Accept-Language: en").expect(t, 200, "en", "fwd=vary-miss")
	s.get("/").expect(t, 200, "", "fwd=vary-miss")
	s.get("/", "Accept-Language: de").expect(t, 200, "de", "hit")
	s.get("/", "Accept-Language: en").expect(t, 200, "en", "hit")
	s.get("/").expect(t, 200, "", "hit")
	if n := s.fetched.Load(); n != 3 {
		t.Errorf("%d fetches, want 3", n)
	}
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			lang := fmt.Sprint("l", i%6)
			if r := s.get("/other", "Accept-Language: "+lang); r.body != lang {
				t.Errorf("asked for %s, got %q", lang, r.body)
			}
		})
	}
	wg.Wait()
}

func randomBody(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(b)
	return b
}

func TestServe_LargeBodiesInSegments(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprintf("chunked=%t", chunked), func(t *testing.T) {
			body := randomBody(3<<20 + 17)
			s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				if !chunked {
					w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				}
				w.Write(body)
			})
			s.get("/").expect(t, 200, string(body), "stored")
			hit := s.get("/")
			hit.expect(t, 200, string(body), "hit")
			if hit.header.Get("Content-Length") != strconv.Itoa(len(body)) {
				t.Errorf("length %q", hit.header.Get("Content-Length"))
			}
		})
	}
}

func TestServe_OverTheLimitFlowsThroughUnstored(t *testing.T) {
	body := randomBody(2 << 20)
	for _, declared := range []bool{true, false} {
		s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			if declared {
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			}
			w.Write(body)
		}, func(c *proxy.Config, _ *policy.Service) { c.MaxObject = 1 << 20 })
		for range 2 {
			s.get("/").expect(t, 200, string(body), "fwd=uri-miss")
		}
		if s.fetched.Load() != 2 {
			t.Errorf("declared %t: %d fetches, want 2", declared, s.fetched.Load())
		}
	}
}

// broken is an upstream that answers with a raw reply, then closes the connection.
func broken(t *testing.T, raw string) option {
	t.Helper()
	addr := testkit.Raw(t, func(c net.Conn, _ *http.Request) { fmt.Fprint(c, raw) })
	return func(_ *proxy.Config, s *policy.Service) { s.Upstream = "http://" + addr }
}

func TestServe_TruncatedIsNeverStoredNorWhole(t *testing.T) {
	for name, raw := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhalf",
		"chunks": "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"digest": "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nRepr-Digest: sha-256=:" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + ":\r\nContent-Length: 4\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t, nil, broken(t, raw))
			for range 2 {
				if r := s.get("/"); r.err == nil {
					t.Fatalf("a truncated body was passed off as whole: %d %q", r.status, r.body)
				}
			}
			if s.proxy.Requests(httpcache.Hit) != 0 {
				t.Error("a truncated body was stored")
			}
		})
	}
}

func TestServe_RightDigestIsStored(t *testing.T) {
	sum := sha256.Sum256([]byte("hello"))
	s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
		fmt.Fprint(w, "hello")
	})
	s.get("/").expect(t, 200, "hello", "stored")
	s.get("/").expect(t, 200, "hello", "hit")
}

func TestServe_DamagedEntriesAreRefetched(t *testing.T) {
	body := randomBody(1 << 20)
	for _, path := range []string{"/small", "/large"} {
		s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			if r.URL.Path == "/small" {
				w.Write(body[:100])
			} else {
				w.Write(body)
			}
		})
		want := s.get(path).body
		s.store.each(func(_ string, v []byte) []byte {
			v[len(v)/2] ^= 1
			return v
		})
		s.get(path).expect(t, 200, want, "fwd=uri-miss")
		s.get(path).expect(t, 200, want, "hit")
	}
}

func TestServe_MissingSegmentNeverLooksWhole(t *testing.T) {
	body := randomBody(1 << 20)
	s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Write(body)
	})
	s.get("/").expect(t, 200, string(body), "stored")
	s.store.each(func(k string, v []byte) []byte {
		if len(k) == 36 && k[32] == 2 {
			return nil
		}
		return v
	})
	if r := s.get("/"); r.err == nil && r.body != string(body) {
		t.Fatalf("%d bytes passed off as whole", len(r.body))
	}
	s.get("/").expect(t, 200, string(body), "fwd=uri-miss")
	s.get("/").expect(t, 200, string(body), "hit")
}

func TestServe_BrokenStoreIsAMiss(t *testing.T) {
	s := newSystem(t, cacheable("x"))
	s.store.broken = true
	for range 3 {
		s.get("/").expect(t, 200, "x", "fwd=uri-miss")
	}
	s.store.mu.Lock()
	s.store.broken = false
	s.store.mu.Unlock()
	s.get("/").expect(t, 200, "x", "stored")
	s.get("/").expect(t, 200, "x", "hit")
}

func TestServe_UnsafeMethodsInvalidate(t *testing.T) {
	var got bytes.Buffer
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "GET":
			cacheable("x")(w, r)
		case r.URL.Query().Has("fail"):
			w.WriteHeader(500)
		default:
			got.ReadFrom(r.Body)
			w.WriteHeader(204)
		}
	})
	s.get("/a").expect(t, 200, "x", "stored")
	s.do("POST", "/a").expect(t, 204, "", "edge-1; fwd=method")
	s.get("/a").expect(t, 200, "x", "fwd=uri-miss")
	s.get("/b?fail").expect(t, 200, "x", "stored")
	s.do("POST", "/b?fail").expect(t, 500, "", "fwd=method")
	s.get("/b?fail").expect(t, 200, "x", "hit")
	response, err := s.client.Post(s.url+"/a", "text/plain", strings.NewReader(strings.Repeat("y", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if got.Len() != 1<<20 {
		t.Errorf("upstream got %d bytes of the body", got.Len())
	}
}

func TestServe_Refusals(t *testing.T) {
	s := newSystem(t, cacheable("x"), func(c *proxy.Config, _ *policy.Service) { c.MaxRequestBody = 1000 })
	for name, c := range map[string]struct {
		method, path, field string
		status              int
	}{
		"unknown host":   {"GET", "/", "Host: other.example", 421},
		"upgrade":        {"GET", "/", "Upgrade: websocket", 501},
		"loop":           {"GET", "/", "CDN-Loop: other, tiercache;node=edge-1", 508},
		"only-if-cached": {"GET", "/nothing", "Cache-Control: only-if-cached", 504},
	} {
		if r := s.do(c.method, c.path, c.field); r.status != c.status || r.body == "" || r.header.Get("Proxy-Status") == "" {
			t.Errorf("%s: %d %q %v, want %d", name, r.status, r.body, r.header, c.status)
		}
	}
	for _, body := range []string{strings.Repeat("y", 1001)} {
		response, err := s.client.Post(s.url, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 413 {
			t.Errorf("oversize body: %d", response.StatusCode)
		}
	}
	s.get("/", "CDN-Loop: tiercache;node=edge-2").expect(t, 200, "x", "stored")
	if s.fetched.Load() != 1 {
		t.Errorf("a refused request reached the upstream: %d", s.fetched.Load())
	}
}

func TestServe_WhatTheUpstreamGets(t *testing.T) {
	var seen http.Header
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		cacheable("x")(w, r)
	})
	s.get("/", "X-Forwarded-Host: evil", "X-Forwarded-For: 6.6.6.6", "Tiercache-Epoch: 9", "Connection: X-Hop", "X-Hop: 1", "X-End: 2", "Range: bytes=0-0", "Via: 1.0 before", "CDN-Loop: other")
	want := map[string]string{
		"X-Forwarded-Host": "127.0.0.1", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "Tiercache-Epoch": "", "X-Hop": "", "X-End": "2",
		"Range": "", "Cdn-Loop": "other, tiercache;node=edge-1",
	}
	for name, value := range want {
		if got := strings.Join(seen.Values(name), ", "); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if via := strings.Join(seen.Values("Via"), ", "); via != "1.0 before, 1.1 edge-1 (tiercache)" {
		t.Errorf("Via: %q", via)
	}
}

func TestServe_CacheFieldsStayInside(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Surrogate-Key", "secret-tag")
		w.Header().Set("Tiercache-Epoch", "999")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
	})
	for range 2 {
		r := s.get("/")
		for _, name := range []string{"Surrogate-Key", "Tiercache-Epoch", "X-Hop"} {
			if r.header.Get(name) != "" {
				t.Errorf("%s reached the client", name)
			}
		}
	}
}

func TestServe_FillsAreCapped(t *testing.T) {
	hold := make(chan struct{})
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		<-hold
		cacheable("x")(w, r)
	}, func(c *proxy.Config, _ *policy.Service) { c.MaxFills, c.FillWait = 2, 50*time.Millisecond })
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { s.get(fmt.Sprint("/", i)).expect(t, 200, "x", "stored") })
	}
	waitFor(t, func() bool { return s.fetched.Load() == 2 })
	if r := s.get("/third"); r.status != 503 || r.header.Get("Retry-After") == "" {
		t.Errorf("above the cap: %d %v", r.status, r.header)
	}
	close(hold)
	wg.Wait()
	waitFor(t, func() bool { return s.get("/third").status == http.StatusOK }) // a fill ends after the replies that it yields
}

func TestServe_Upstream304ToUnconditional(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	if r := s.get("/"); r.status != http.StatusBadGateway {
		t.Fatalf("%d", r.status)
	}
}

// waitFor polls until the condition holds.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	testkit.Eventually(t, 10*time.Second, func() error {
		if !condition() {
			return errors.New("the condition does not hold")
		}
		return nil
	})
}

func TestServe_304ThatIsAboutAnotherResponse(t *testing.T) {
	for name, answer := range map[string]http.Header{
		"another etag": {"Etag": {`"v2"`}, "Cache-Control": {"max-age=60"}},
		"no-store":     {"Etag": {`"v1"`}, "Cache-Control": {"no-store"}},
	} {
		t.Run(name, func(t *testing.T) {
			body := "one"
			s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("If-None-Match") != "" {
					for k, v := range answer {
						w.Header()[k] = v
					}
					w.WriteHeader(http.StatusNotModified)
					return
				}
				cacheable(body)(w, r)
			})
			s.get("/").expect(t, 200, "one", "stored")
			body = "two"
			s.clock.advance(2 * time.Minute)
			s.get("/").expect(t, 200, "two", "fwd=stale; fwd-status=200")
		})
	}
}

func TestServe_AnEarlyAnswerEndsTheReadingOfTheBody(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusForbidden) // the body is not read
			return
		}
		cacheable("x")(w, r)
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				response, err := s.client.Post(s.url, "text/plain", bytes.NewReader(make([]byte, 200_000)))
				if err != nil {
					continue // the client may see the connection close while it sends
				}
				response.Body.Close()
				if response.StatusCode != http.StatusForbidden && response.StatusCode != http.StatusGatewayTimeout {
					t.Errorf("status %d", response.StatusCode)
				}
			}
		})
	}
	wg.Wait()
	s.get("/after").expect(t, 200, "x", "stored")
}

// A body that one client takes for itself counts as a pass, of which there may be as many as fills; it holds up
// fills only when there is no room for another pass.
func TestServe_SlotIsHeldUntilAnUnsharedBodyEnds(t *testing.T) {
	begun, hold := make(chan struct{}), make(chan struct{})
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/private" {
			w.Header().Set("Cache-Control", "private")
			fmt.Fprint(w, "part")
			http.NewResponseController(w).Flush()
			begun <- struct{}{}
			<-hold
			return
		}
		cacheable("x")(w, r)
	}, func(c *proxy.Config, _ *policy.Service) { c.MaxFills, c.FillWait = 1, 50*time.Millisecond })
	done := make(chan reply, 2)
	go func() { done <- s.get("/private") }()
	<-begun
	waitFor(t, func() bool { return s.get("/first").status == http.StatusOK })
	go func() { done <- s.get("/private?2") }()
	<-begun
	if r := s.get("/other"); r.status != http.StatusServiceUnavailable {
		t.Errorf("the cap of one fill let a second one through: %d", r.status)
	}
	close(hold)
	(<-done).expect(t, 200, "part", "detail=private")
	(<-done).expect(t, 200, "part", "detail=private")
	waitFor(t, func() bool { return s.get("/other").status == http.StatusOK })
}

// patientUpstream answers only when told to, whatever the leader's patience.
type patientUpstream struct {
	answer chan struct{}
	closed chan struct{}
}

type watched struct {
	*strings.Reader
	closed chan struct{}
}

func (w watched) Close() error {
	close(w.closed)
	return nil
}

func (u patientUpstream) Fetch(context.Context, *policy.Match, *proxy.Request) (*proxy.Response, error) {
	<-u.answer
	return &proxy.Response{
		Status: 200, Length: 1, Body: watched{strings.NewReader("x"), u.closed},
		Header: httpcache.Fields{{Name: "Cache-Control", Value: "private"}},
	}, nil
}

func TestServe_WhatALeaderGaveUpIsClosed(t *testing.T) {
	set, err := policy.NewSet([]policy.Service{{Name: "site", Hosts: []string{"*"}, Upstream: policy.UpstreamOrigin, Timeout: time.Nanosecond}})
	if err != nil {
		t.Fatal(err)
	}
	upstream := patientUpstream{make(chan struct{}), make(chan struct{})}
	p, err := proxy.New(proxy.Config{Node: "edge-1", FillWait: time.Nanosecond}, proxy.Deps{Store: newMemory(), Upstream: upstream, Policy: set, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Get(listen(t, p)) // waits as long as a leader waits, 6 s
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusGatewayTimeout {
		t.Fatalf("status %d", response.StatusCode)
	}
	close(upstream.answer)
	select {
	case <-upstream.closed:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody closed the response that its leader had given up")
	}
}
