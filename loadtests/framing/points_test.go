package framing

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// answer is a reply to a raw request.
type answer struct {
	status int
	body   string
	cache  string // Cache-Status
}

// String makes answers fit for a failure's line.
func (a answer) String() string { return fmt.Sprintf("%d %.100q %q", a.status, a.body, a.cache) }

// speak sends raw requests, ends its half of the connection and returns all answers until the other side closes.
func speak(t *testing.T, addr string, requests ...string) []answer {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go func() {
		if _, err := io.WriteString(conn, strings.Join(requests, "")); err == nil {
			_ = conn.(*net.TCPConn).CloseWrite() // else the other side has closed
		}
	}()
	var answers []answer
	for reader := bufio.NewReader(conn); ; {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			if !closed(err) && err != io.ErrUnexpectedEOF {
				t.Fatal(err)
			}
			return answers
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer{response.StatusCode, string(body), strings.Join(response.Header.Values("Cache-Status"), ", ")})
	}
}

// want fails the test unless there is one answer of that status and body, from the cache that is named, if any.
func want(t *testing.T, answers []answer, status int, body, cache string) {
	t.Helper()
	if len(answers) != 1 || answers[0].status != status || answers[0].body != body || !strings.Contains(answers[0].cache, cache) {
		t.Errorf("got %v, want one: %d %q %q", answers, status, body, cache)
	}
}

// app is a site that says what it was asked for and keeps what it heard.
type app struct {
	mu    sync.Mutex
	heard []string
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // cut by the tier
	}
	var fields strings.Builder
	if err := r.Header.Write(&fields); err != nil {
		panic(err) // memory
	}
	said := fmt.Sprintf("%s %s%s", r.Method, r.Host, r.RequestURI)
	a.mu.Lock()
	a.heard = append(a.heard, said+"\n"+fields.String()+string(body))
	a.mu.Unlock()
	if fields.Len() > 8<<10 || strings.Contains(r.Header.Get("X-Odd"), "odd") {
		// Some servers name no freshness for their refusals; these statuses could be stored by rule of thumb.
		w.WriteHeader(map[string]int{"": 431, "4": 400, "5": 501, "6": 414, "7": 405, "8": 404}[r.Header.Get("X-Status")])
		return
	}
	w.Header().Set("Cache-Control", "max-age=600")
	_, _ = io.WriteString(w, said) // the client's loss
}

// all is what was heard so far, as one text.
func (a *app) all() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.heard, "\n\n")
}

// TestPoints sends raw requests for points of key and framing safety through an edge and a regional node.
func TestPoints(t *testing.T) {
	if testing.Short() {
		t.Skip("runs several servers: not with -short")
	}
	site := &app{}
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	edge, regional := edgeAndRegional(t, server.URL)
	for _, point := range []struct {
		name string
		test func(t *testing.T, site *app, edge, regional string)
	}{
		{"Keys", testKeys},
		{"Targets", testTargets},
		{"UnkeyedFields", testUnkeyedFields},
		{"BodiesOfGET", testBodiesOfGET},
		{"UnreadBodies", testUnreadBodies},
		{"Upgrade", testUpgrade},
		{"ErrorsAreNotStored", testErrorsAreNotStored},
	} {
		t.Run(point.name, func(t *testing.T) { point.test(t, site, edge, regional) })
	}
}

// testKeys: host and scheme are in every key, and the authority that counts is the one that is keyed.
func testKeys(t *testing.T, _ *app, edge, regional string) {
	get := func(target, fields string) string { return "GET " + target + " HTTP/1.1\r\n" + fields + "\r\n" }
	for _, node := range []string{edge, regional} {
		path := "/keys-" + node[len(node)-5:]
		want(t, speak(t, node, get(path, "Host: a.test\r\n")), 200, "GET a.test"+path, "fwd=uri-miss")
		want(t, speak(t, node, get(path, "Host: b.test\r\n")), 200, "GET b.test"+path, "fwd=uri-miss")
		want(t, speak(t, node, get(path, "Host: A.TEST:8080\r\n")), 200, "GET a.test"+path, "hit")
		want(t, speak(t, node, get("http://b.test"+path, "Host: a.test\r\n")), 200, "GET b.test"+path, "hit")
		want(t, speak(t, node, get("HTTPS://c.test"+path, "Host: a.test\r\n")), 200, "GET c.test"+path, "fwd=uri-miss")
		want(t, speak(t, node, get(path, "Host: c.test\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.test\r\n")), 200, "GET c.test"+path, "hit")
		want(t, speak(t, node, get("/"+path, "Host: a.test\r\n")), 200, "GET a.test/"+path, "fwd=uri-miss")
		for _, fields := range []string{"Host: d.test\r\nTiercache-Tier: " + tierToken + "\r\nX-Forwarded-Proto: https\r\n", "Host: d.test\r\n"} {
			want(t, speak(t, node, get(path, fields)), 200, "GET d.test"+path, "fwd=uri-miss")
			want(t, speak(t, node, get(path, fields)), 200, "GET d.test"+path, "hit")
		}
		want(t, speak(t, node, get("http://a.test@b.test"+path, "Host: a.test\r\n")), 400, "Host is missing or not a host name\n", "")
	}
}

// testTargets: the path in the key is the path that the site sees, byte for byte, through both tiers.
func testTargets(t *testing.T, _ *app, edge, _ string) {
	targets := []string{
		"/t/a/b", "/t/a%2Fb", "/t/a%2fb", "/t/a//b", "/t//a/b", "//t/a/b", "/t/a/./b", "/t/a/../a/b", "/t/x/../a/b", "/t/a/b/", "/t/a/b/..", "/t/a/b%2e%2e", "/t/a;/b", "/t/a;x=1/b", "/t/a/b;.css", "/t/a/b%3b.css",
		"/t/a/b%00", "/t/a/b%00.css", "/t/a/b%0a", "/t/a/b%0d%0aX:%20y", "/t/a/b?", "/t/a/b?x", "/t/a/b?x=", "/t/a/b??", "/t/a/b?x&y", "/t/a/b?y&x", "/t/a/b%3Fx", "/t/a/b%23x", "/t/a\\b", "/t/a%5Cb", "/t/A/b", "/t/%61/b", "/t/a+b", "/t/a%20b", "/t/a|b", "/t/\xc3\xa4", "/t/%C3%A4", "/t/%c3%a4", "/t/\xe4",
	}
	for _, cache := range []string{"edge-1; fwd=uri-miss", "edge-1; hit"} {
		for _, target := range targets {
			want(t, speak(t, edge, "GET "+target+" HTTP/1.1\r\nHost: h.test\r\n\r\n"), 200, "GET h.test"+target, cache)
		}
	}
	for _, target := range []string{"/t/a\x00b", "/t/a\tb", "/t/a b", "/t/a\x7fb", "/t/a\rb", "/t/a#b"} {
		if got := speak(t, edge, "GET "+target+" HTTP/1.1\r\nHost: h.test\r\n\r\n"); len(got) != 1 || got[0].status != 400 {
			t.Errorf("%q: %v, want 400", target, got)
		}
	}
}

// testUnkeyedFields: a field that is not in the key and that sites build replies from does not reach them.
func testUnkeyedFields(t *testing.T, site *app, edge, regional string) {
	for i, name := range []string{
		"X-Forwarded-Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded-Port", "x-forwarded-HOST", "X_Forwarded_Host", "X-Forwarded_Host", "Forwarded", "X-Host", "X-Original-URL", "X-Rewrite-URL",
		"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Front-End-Https", "Tiercache-Epoch", "Tiercache-Tier", "tiercache-anything",
	} {
		for _, node := range []string{edge, regional} {
			path := fmt.Sprintf("/unkeyed-%d-%s", i, node[len(node)-5:])
			want(t, speak(t, node, "GET "+path+" HTTP/1.1\r\nHost: h.test\r\n"+name+": evil.test\r\n\r\n"), 200, "GET h.test"+path, "fwd=uri-miss")
			want(t, speak(t, node, "GET "+path+" HTTP/1.1\r\nHost: h.test\r\n\r\n"), 200, "GET h.test"+path, "hit")
		}
	}
	if heard := site.all(); strings.Contains(heard, "evil") {
		t.Errorf("the site heard:\n%.2000s", heard[strings.Index(heard, "evil")-200:])
	}
}

// testBodiesOfGET: the body of a GET is not passed on, whatever the request is, and does not become the next request.
func testBodiesOfGET(t *testing.T, site *app, edge, _ string) {
	const body = "GET /smuggled HTTP/1.1\r\nHost: h.test\r\n\r\n"
	canary := "GET /canary HTTP/1.1\r\nHost: h.test\r\n\r\n"
	framings := map[string]string{
		"length": withLength(body),
		"chunks": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Trailer: y\r\n\r\n", len(body), body),
	}
	for name, framing := range framings {
		for _, field := range []string{"", "If-Match: \"x\"\r\n", "Range: bytes=0-1\r\n", "Authorization: Basic x\r\n", "Expect: 100-continue\r\n"} {
			for range 2 { // a miss, and a hit where it can be
				got := speak(t, edge, "GET /fat-"+name+" HTTP/1.1\r\nHost: h.test\r\n"+field+framing, canary)
				if field == "Expect: 100-continue\r\n" {
					if len(got) == 0 || got[0].status != 100 {
						t.Fatalf("%s, %s: %v", name, field, got)
					}
					got = got[1:]
				}
				if len(got) != 2 || got[0].status/100 != 2 || got[1].body != "GET h.test/canary" {
					t.Errorf("%s, %q: %v", name, field, got)
				}
			}
		}
	}
	for _, text := range []string{"/smuggled", "X-Trailer", "Trailer"} {
		if strings.Contains(site.all(), text) {
			t.Errorf("the site heard %q", text)
		}
	}
}

// testUnreadBodies: what a reply does not read of a request is taken off the connection, or that is closed. It is
// never a request, on hits and refusals too.
func testUnreadBodies(t *testing.T, site *app, edge, regional string) {
	const body = "GET /unread-smuggled HTTP/1.1\r\nHost: h.test\r\n\r\n"
	framings := []string{
		withLength(body),
		fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body),
		withLength(strings.Repeat("x", 8<<10) + strings.Repeat(body, 1000)), // more than is read ahead
		withLength(strings.Repeat("x", 8<<10) + strings.Repeat(body, 9000)), // more than is drained
		"Transfer-Encoding: chunked\r\n\r\n2\r\nxx" + body,                  // not even chunks
	}
	for _, node := range []string{edge, regional} {
		want(t, speak(t, node, "GET /unread HTTP/1.1\r\nHost: h.test\r\n\r\n"), 200, "GET h.test/unread", "")
		for _, head := range []string{
			"GET /unread HTTP/1.1\r\nHost: h.test\r\n", "HEAD /unread HTTP/1.1\r\nHost: h.test\r\n", "GET /unread HTTP/1.1\r\nHost: h.test\r\nIf-None-Match: *\r\n", "OPTIONS * HTTP/1.1\r\nHost: h.test\r\n",
			"GET /unread HTTP/1.1\r\nHost: -.test.-..\r\n", "POST /unread HTTP/1.1\r\nHost: a b\r\n", "POST /unread#x HTTP/1.1\r\nHost: h.test\r\n", "POST /unread HTTP/1.1\r\nHost: h.test\r\nUpgrade: x\r\n",
			"POST /unread HTTP/1.1\r\nHost: h.test\r\nCDN-Loop: tiercache;node=edge-1, tiercache;node=regional-1\r\n", "GET /nothing HTTP/1.1\r\nHost: h.test\r\nCache-Control: only-if-cached\r\n", "CONNECT h.test:80 HTTP/1.1\r\nHost: h.test:80\r\n",
		} {
			for _, framing := range framings {
				v, err := converse(node, head+framing+"GET /unread-canary HTTP/1.1\r\nHost: h.test\r\n\r\n")
				if err != nil {
					t.Errorf("%q: %v", head, err)
				}
				if len(v) == 0 || len(v) > 2 {
					t.Errorf("%q: %d replies to two requests", head+framing[:20], len(v))
				}
			}
		}
	}
	if strings.Contains(site.all(), "smuggled") {
		t.Error("a body was read as a request")
	}
}

// withLength is the end of a request with that body.
func withLength(body string) string {
	return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// testUpgrade: no request makes a tunnel, neither by Upgrade or CONNECT nor by a site that switches unasked.
func testUpgrade(t *testing.T, site *app, edge, regional string) {
	const behind = "GET /tunnelled HTTP/1.1\r\nHost: h.test\r\n\r\n"
	for _, node := range []string{edge, regional} {
		for _, head := range []string{
			"GET /upgrade HTTP/1.1\r\nHost: h.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			"GET /upgrade HTTP/1.1\r\nHost: h.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, websocket\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
			"POST /upgrade HTTP/1.1\r\nHost: h.test\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n", "CONNECT h.test:80 HTTP/1.1\r\nHost: h.test:80\r\n\r\n",
		} {
			if got := speak(t, node, head, behind); len(got) != 1 || got[0].status != 501 {
				t.Errorf("%.40q: %v, want 501 and the end", head, got)
			}
		}
	}
	for _, node := range []string{edge, regional} {
		offer := "GET /offer-" + node[len(node)-5:] + " HTTP/1.1\r\nHost: h.test\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
		if got := speak(t, node, offer, offer); len(got) != 2 || got[0].status != 200 || got[1].status != 200 {
			t.Errorf("an offer of h2c is not ignored: %v", got)
		}
	}
	if heard := site.all(); strings.Contains(heard, "tunnelled") || strings.Contains(heard, "Upgrade") || strings.Contains(heard, "Http2-Settings") {
		t.Error("the site heard of an upgrade")
	}
	switching := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\ntunnel") // the client may be gone
	}))
	t.Cleanup(switching.Close)
	tiers, shield := edgeAndRegional(t, switching.URL)
	for _, node := range []string{tiers, shield} {
		for _, method := range []string{"GET", "POST"} {
			got := speak(t, node, method+" /switch HTTP/1.1\r\nHost: h.test\r\nContent-Length: 0\r\n\r\n", behind)
			for _, a := range got {
				if a.status/100 != 5 || strings.Contains(a.body, "tunnel") {
					t.Errorf("%s: %v", method, got)
				}
			}
			if len(got) == 0 {
				t.Errorf("%s: no answer", method)
			}
		}
	}
}

// testErrorsAreNotStored: what is refused for its size or form, by a tier or by the site, is not what the next
// client gets.
func testErrorsAreNotStored(t *testing.T, _ *app, edge, regional string) {
	for _, node := range []string{edge, regional} {
		for i, odd := range []string{
			"X: " + strings.Repeat("a", 9_000) + "\r\n", "X: " + strings.Repeat("a", 41_000) + "\r\n", strings.Repeat("X: a\r\n", 200), "X: a\x07b\r\n", "X Y: a\r\n", "X: a\r\n b\r\n", "X-Odd: odd\r\n",
			"X-Odd: odd\r\nX-Status: 4\r\n", "X-Odd: odd\r\nX-Status: 5\r\n", "X-Odd: odd\r\nX-Status: 6\r\n", "X-Odd: odd\r\nX-Status: 7\r\n", "X-Odd: odd\r\nX-Status: 8\r\n", "Expect: x\r\n", "Transfer-Encoding: x\r\n", "Upgrade: x\r\n", "CDN-Loop: tiercache;node=edge-1, tiercache;node=regional-1\r\n",
		} {
			path := fmt.Sprintf("/odd-%d-%s", i, node[len(node)-5:])
			if got := speak(t, node, "GET "+path+" HTTP/1.1\r\nHost: h.test\r\n"+odd+"\r\n"); len(got) != 1 || got[0].status < 400 {
				t.Errorf("%.40q: %v", odd, got)
			}
			want(t, speak(t, node, "GET "+path+" HTTP/1.1\r\nHost: h.test\r\n\r\n"), 200, "GET h.test"+path, "")
			want(t, speak(t, node, "GET "+path+" HTTP/1.1\r\nHost: h.test\r\n\r\n"), 200, "GET h.test"+path, "hit")
		}
	}
}
