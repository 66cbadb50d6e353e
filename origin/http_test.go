package origin_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/origin"
	"tiercache/origin/api"
)

func digestField(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func TestPutAndGet(t *testing.T) {
	n := startNode(t, settings{})
	body := strings.Repeat("0123456789", 60_000) // three chunks
	a := n.put("www.example.com/a/b.txt", body, "Content-Type: text/plain", "Cache-Control: max-age=60",
		"Surrogate-Key: one two", "Content-Language: en", "Repr-Digest: "+digestField(body))
	if a.status != http.StatusCreated {
		t.Errorf("first put: %d", a.status)
	}
	var doc api.Object
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil || doc.Size != int64(len(body)) || doc.ETag != a.header.Get("ETag") || doc.Unchanged {
		t.Errorf("document %+v, %v", doc, err)
	}
	got := n.get("WWW.example.com:8080", "/a/b.txt?ignored=1")
	if got.status != 200 || got.body != body {
		t.Fatalf("get: %d, %d bytes", got.status, len(got.body))
	}
	for name, want := range map[string]string{
		"Content-Type": "text/plain", "Cache-Control": "max-age=60", "Surrogate-Key": "one two", "Content-Language": "en",
		"Repr-Digest": digestField(body), "ETag": a.header.Get("ETag"), "Last-Modified": a.header.Get("Last-Modified"),
		"Content-Length": fmt.Sprint(len(body)), "Accept-Ranges": "bytes",
	} {
		if got.header.Get(name) != want || want == "" {
			t.Errorf("%s: got %q, want %q", name, got.header.Get(name), want)
		}
	}
	head := n.do("HEAD", "/a/b.txt", "www.example.com", nil)
	if head.status != 200 || head.body != "" || head.header.Get("Content-Length") != fmt.Sprint(len(body)) {
		t.Errorf("head: %+v", head)
	}
	if again := n.put("www.example.com/a/b.txt", "other"); again.status != http.StatusOK {
		t.Errorf("second put: %d", again.status)
	}
	again := n.put("www.example.com/a/b.txt", "other")
	again.want(t, "the same once more", 200, `"unchanged":true`)
	n.get("other.example", "/a/b.txt").want(t, "other host", 404, "no object")
	if miss := n.get("www.example.com", "/a/b.txt/"); miss.status != 404 || miss.header.Get("Cache-Control") != "" || miss.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("miss: %+v", miss)
	}
}

// RFC 9110, 13.2 and 14, RFC 9111, 4.3.4 for what a 304 carries.
func TestGet_ConditionsAndRanges(t *testing.T) {
	n := startNode(t, settings{})
	body := strings.Repeat("abcdefgh", 40_000) // over a chunk border at 262144
	p := n.put("h.example/r", body, "Cache-Control: max-age=5", "Surrogate-Key: k", "Content-Encoding: gzip")
	tag := p.header.Get("ETag")
	modified := p.header.Get("Last-Modified")
	for _, c := range []struct {
		field  string
		status int
	}{
		{"If-None-Match: " + tag, 304}, {"If-None-Match: W/" + tag, 304}, {"If-None-Match: *", 304}, {`If-None-Match: "x"`, 200},
		{"If-Modified-Since: " + modified, 304}, {"If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT", 200},
		{"If-Match: " + tag, 200}, {`If-Match: "x"`, 412},
	} {
		if a := n.get("h.example", "/r", c.field); a.status != c.status {
			t.Errorf("%s: %d, want %d", c.field, a.status, c.status)
		}
	}
	fresh := n.get("h.example", "/r", "If-None-Match: "+tag)
	for name, want := range map[string]string{"ETag": tag, "Cache-Control": "max-age=5", "Surrogate-Key": "k", "Last-Modified": modified} {
		if fresh.header.Get(name) != want {
			t.Errorf("304 has %s %q, want %q", name, fresh.header.Get(name), want)
		}
	}
	for _, c := range []struct{ spec, content, want string }{
		{"bytes=0-9", "bytes 0-9/320000", body[:10]},
		{"bytes=262140-262149", "bytes 262140-262149/320000", body[262140:262150]},
		{"bytes=319990-", "bytes 319990-319999/320000", body[319990:]},
		{"bytes=-5", "bytes 319995-319999/320000", body[319995:]},
	} {
		a := n.get("h.example", "/r", "Range: "+c.spec)
		if a.status != 206 || a.header.Get("Content-Range") != c.content || a.body != c.want || a.header.Get("Repr-Digest") != digestField(body) {
			t.Errorf("%s: %d %q %d bytes", c.spec, a.status, a.header.Get("Content-Range"), len(a.body))
		}
	}
	if a := n.get("h.example", "/r", "Range: bytes=400000-"); a.status != 416 || a.header.Get("Content-Range") != "bytes */320000" {
		t.Errorf("beyond the end: %d %q", a.status, a.header.Get("Content-Range"))
	}
	if a := n.get("h.example", "/r", "Range: bytes=0-1,5-6"); a.status != 200 || a.body != body || a.header.Get("Content-Length") != "320000" {
		t.Errorf("two ranges: %d, %d bytes", a.status, len(a.body))
	}
	if a := n.get("h.example", "/r", "Range: bytes=0-1", `If-Range: "old"`); a.status != 200 {
		t.Errorf("If-Range: %d", a.status)
	}
}

func TestPut_Conditions(t *testing.T) {
	n := startNode(t, settings{})
	put := func(fields ...string) answer {
		return n.api("PUT", "/v1/objects/h.example/c", strings.NewReader(fmt.Sprint(fields)), fields...)
	}
	put("If-Match: *").want(t, "nothing there", 412, "read it again")
	first := put("If-None-Match: *")
	first.want(t, "create", 201, "")
	put("If-None-Match: *").want(t, "create again", 412, "")
	put(`If-Match: "other"`).want(t, "other tag", 412, "")
	put("If-Match: nonsense").want(t, "no tag", 400, "double quotes")
	put("If-Match: "+first.header.Get("ETag")).want(t, "right tag", 200, "")
	n.api("DELETE", "/v1/objects/h.example/c", nil, "If-Match: "+first.header.Get("ETag")).want(t, "delete, old tag", 412, "")
	n.api("DELETE", "/v1/objects/h.example/c", nil).want(t, "delete", 204, "")
	n.api("DELETE", "/v1/objects/h.example/c", nil).want(t, "delete again", 404, "no object")
	n.get("h.example", "/c").want(t, "get", 404, "")
}

func TestAPI_Tokens(t *testing.T) {
	n := startNode(t, settings{})
	n.put("h.example/x", "x")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		a := n.do(method, "/v1/objects/h.example/x", n.addr, nil)
		a.want(t, method+" without a token", 401, "Authorization: Bearer")
		if a.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: no challenge", method)
		}
		a = n.do(method, "/v1/objects/h.example/x", n.addr, nil, "Authorization: Bearer tct_wrong")
		a.want(t, method+" with a wrong one", 401, "unknown token")
		if strings.Contains(a.body+n.log.String(), "tct_wrong") {
			t.Error("the token is repeated")
		}
	}
	n.get(n.addr, "/v1/objects/h.example").want(t, "list without a token", 401, "")
	open := startNode(t, settings{config: func(c *origin.Config) { c.AdminTokenFile = "" }})
	open.api("PUT", "/v1/objects/h/x", nil).want(t, "no admin token file", 401, "")
}

// What came through a proxy is a public read whatever its path, so no edge leads to the API.
func TestAPI_CannotBeReachedThroughAProxy(t *testing.T) {
	n := startNode(t, settings{})
	n.put("h.example/v1/objects/h.example/x", "an object below the API's prefix")
	n.put("h.example/x", "x")
	n.put("*/v1/", "v1")
	for _, f := range []string{"Via: 1.1 edge-1", "CDN-Loop: tiercache", "Tiercache-Tier: anything"} {
		n.api("GET", "/v1/objects/h.example/x", nil, f).want(t, f+" to another host", 404, "")
		n.do("GET", "/v1/objects/h.example/x", "h.example", nil, f, "Authorization: Bearer "+n.token).want(t, f, 200, "an object below")
		n.api("PUT", "/v1/objects/h.example/x", strings.NewReader("evil"), f).want(t, "PUT with "+f, 405, "GET, HEAD")
		n.api("DELETE", "/v1/objects/h.example/x", nil, f).want(t, "DELETE with "+f, 405, "")
	}
	n.get("h.example", "/x").want(t, "the object", 200, "x")
	n.get("h.example", "/v1/").want(t, "beside the prefix", 200, "v1")
	n.api("GET", "/v1/objects/h.example/v1/objects/h.example/x", nil).want(t, "by its API name", 200, "an object below")
}

func TestBadInput_IsRefusedWithWords(t *testing.T) {
	n := startNode(t, settings{})
	body := func() io.Reader { return strings.NewReader("x") }
	n.api("PUT", "/v1/objects/h.example:80/x", body()).want(t, "port", 400, "without a port")
	n.api("PUT", "/v1/objects/h..example/x", body()).want(t, "host", 400, "host name")
	n.api("PUT", "/v1/objects/h.example/a/../x", body()).want(t, "dots", 400, "segment")
	n.api("PUT", "/v1/objects/h.example/a%00", body()).want(t, "NUL", 400, "NUL")
	n.api("PUT", "/v1/objects/h.example/"+strings.Repeat("y", 5000), body()).want(t, "long", 400, "4096")
	n.api("PUT", "/v1/objects/h.example/x?y=1", body()).want(t, "query", 400, "%3F")
	n.api("PUT", "/v1/objects/h.example", body()).want(t, "no path", 405, "GET, HEAD")
	n.api("POST", "/v1/objects/h.example/x", body()).want(t, "method", 405, "PUT")
	n.api("PUT", "/v1/objects/h.example/x", body(), "Content-Range: bytes 0-0/5").want(t, "part", 400, "Content-Range")
	n.api("PUT", "/v1/objects/h.example/x", body(), "Content-Digest: sha-256=abc").want(t, "digest", 400, "sha-256")
	n.api("PUT", "/v1/objects/h.example/x", body(), "Repr-Digest: "+digestField("y")).want(t, "other digest", 400, "nothing was stored")
	n.api("PUT", "/v1/objects/h.example/x", body(), "Surrogate-Key: caf\xc3\xa9").want(t, "tag", 400, "percent-encode")
	n.api("GET", "/v1/objects/h.example/x?version=z", nil).want(t, "version", 400, "number")
	n.api("GET", "/v1/objects/h.example?limit=0", nil).want(t, "limit", 400, "5000")
	n.api("GET", "/v1/objects/h.example?prefx=/a", nil).want(t, "parameter", 400, "prefx")
	n.api("GET", "/v1/objects/h.example?prefix=a", nil).want(t, "prefix", 400, "prefix")
	n.api("GET", "/v1/objects/h.example?limit=1&limit=2", nil).want(t, "twice", 400, "2 times")
	for _, m := range []string{"PUT", "POST", "DELETE", "OPTIONS", "TRACE", "FOO"} {
		a := n.do(m, "/x", "h.example", nil)
		a.want(t, "public "+m, 405, "")
		if a.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow %q", m, a.header.Get("Allow"))
		}
	}
	n.get("h_.example..", "/x").want(t, "public host", 400, "host")
	n.get("h.example", "/a/%2e%2e/x").want(t, "public path", 400, "segment")
	n.api("GET", "/v1/objects/h.example/x", nil).want(t, "none of it was stored", 404, "")
}

// raw sends bytes as they are and returns the first response.
func raw(t *testing.T, n *node, request string) *http.Response {
	t.Helper()
	conn := dial(t, n)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func dial(t *testing.T, n *node) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// A path is stored and found byte for byte: none of these is another one.
func TestPaths_AreKeysByteForByte(t *testing.T) {
	n := startNode(t, settings{})
	paths := []string{"/", "//", "/a", "/a/", "//a", "/a//b", "/a/b", "/a%2Fb", "/a%2fb", "/A", "/%41", "/%61", "/a%20b", "/a+b",
		"/a%23b", "/a%3Fb", "/a%25b", "/%E4%B8%AD", "/!$&'()*+,;=:@-._~", "/.a", "/..a", "/a..", "/...", "/%0A", "/v1", "/v1/", "/v1/objects", "/{|}^`\"<>[]\\"}
	for _, p := range paths {
		resp := raw(t, n, "PUT /v1/objects/h.example"+p+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+n.token+"\r\nContent-Length: "+fmt.Sprint(len(p))+"\r\nConnection: close\r\n\r\n"+p)
		if resp.StatusCode != 201 {
			t.Errorf("put %s: %d", p, resp.StatusCode)
		}
	}
	for _, p := range paths {
		for _, form := range []string{p, "http://h.example" + p} {
			resp := raw(t, n, "GET "+form+" HTTP/1.1\r\nHost: h.example\r\nConnection: close\r\n\r\n")
			b, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != 200 || string(b) != p {
				t.Errorf("get %s: %d %q %v", form, resp.StatusCode, b, err)
			}
		}
	}
}

func TestMalformedRequests_GetA400AndAClosedConnection(t *testing.T) {
	n := startNode(t, settings{})
	for _, request := range []string{
		"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
		"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
		"PUT /v1/objects/h/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
		"GET /%2e%2e/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		if resp := raw(t, n, request); resp.StatusCode != 400 {
			t.Errorf("%q: %d", request, resp.StatusCode)
		}
	}
	if resp := raw(t, n, "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n"); resp.StatusCode != 431 {
		t.Errorf("a head of 64 KiB: %d", resp.StatusCode)
	}
}

func TestPut_TooLargeIsRefusedUnread(t *testing.T) {
	n := startNode(t, settings{})
	const size = 65 << 20
	conn := dial(t, n)
	fmt.Fprintf(conn, "PUT /v1/objects/h/big HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", n.token, size)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 413 {
		t.Fatalf("got %v, %v", resp, err)
	}
	resp.Body.Close()
	// Without an announced length it is found out while it comes.
	small := startNode(t, settings{config: func(c *origin.Config) { c.MaxObjectSize = 300_000 }})
	body := io.MultiReader(strings.NewReader(strings.Repeat("x", 300_000)))
	small.api("PUT", "/v1/objects/h/fits", body).want(t, "at the limit", 201, "")
	body = io.MultiReader(strings.NewReader(strings.Repeat("x", 300_001)))
	small.api("PUT", "/v1/objects/h/big", body).want(t, "over it", 413, "300000")
	small.get("h", "/big").want(t, "nothing was stored", 404, "")
}

func TestPut_AbortedUploadLeavesTheOldVersion(t *testing.T) {
	n := startNode(t, settings{})
	n.put("h/x", "old")
	for _, head := range []string{"Content-Length: 600000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n7a120\r\n"} {
		conn := dial(t, n)
		if _, err := fmt.Fprintf(conn, "PUT /v1/objects/h/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s%s", n.token, head, strings.Repeat("y", 400_000)); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != 400 {
			t.Errorf("aborted: %v, %v", resp, err)
		} else {
			resp.Body.Close()
		}
		n.get("h", "/x").want(t, "after an abort", 200, "old")
	}
	if c := n.store.Counts(); c.UploadsAbandoned != 2 {
		t.Errorf("%d uploads were removed, want 2", c.UploadsAbandoned)
	}
}

// Between what must be cut off and what must not lie seconds, for a busy machine to be late by.
func TestPut_SlowUploads(t *testing.T) {
	n := startNode(t, settings{origin: func(o *origin.Origin) { o.SetPace(2*time.Second, 7*time.Second) }})
	put := func(length int) net.Conn {
		conn := dial(t, n)
		fmt.Fprintf(conn, "PUT /v1/objects/h/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", n.token, length)
		return conn
	}
	status := func(conn net.Conn) int {
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	silent, trickle, steady := put(10), put(1<<20), put(9)
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for range 9 {
		<-tick.C
		io.WriteString(steady, "x")
		io.WriteString(trickle, "x")
	}
	if got := status(steady); got != 201 {
		t.Errorf("slow but in time: %d", got)
	}
	if got := status(silent); got != 408 {
		t.Errorf("a client that sends nothing: %d", got)
	}
	go func() {
		for range tick.C {
			if _, err := io.WriteString(trickle, "x"); err != nil {
				return
			}
		}
	}()
	if got := status(trickle); got != 408 {
		t.Errorf("a byte now and then for ever: %d", got)
	}
}

// After a slow upload or download the connection's deadlines must not hit the next request.
func TestConnection_IsReusableAfterAPut(t *testing.T) {
	n := startNode(t, settings{origin: func(o *origin.Origin) { o.SetPace(300*time.Millisecond, time.Second) }})
	conn := dial(t, n)
	reader := bufio.NewReader(conn)
	pause := time.NewTimer(0)
	for i := range 3 {
		<-pause.C
		fmt.Fprintf(conn, "PUT /v1/objects/h/k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1\r\n\r\n%d", n.token, i)
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		io.Copy(io.Discard, resp.Body)
		pause.Reset(500 * time.Millisecond)
	}
}

// The time that a client gets must not run while the origin waits for its database.
func TestPut_SlowDatabaseIsNotASlowClient(t *testing.T) {
	n := startNode(t, settings{origin: func(o *origin.Origin) { o.SetPace(200*time.Millisecond, 200*time.Millisecond) }})
	n.put("h/x", "old")
	unlock := n.lockObjects()
	var unlocked atomic.Bool
	time.AfterFunc(700*time.Millisecond, func() { unlocked.Store(true); unlock() })
	n.put("h/x", "new")
	if !unlocked.Load() {
		t.Error("the write did not wait")
	}
	n.get("h", "/x").want(t, "after the wait", 200, "new")
}

// A trace goes on through the origin if one of our tiers sent it, and begins nowhere else.
func TestTrace_OnlyATierIsBelieved(t *testing.T) {
	spans := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		spans <- string(b)
	}))
	defer collector.Close()
	file := filepath.Join(t.TempDir(), "tier.token")
	if err := os.WriteFile(file, []byte("the tiers' secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, settings{config: func(c *origin.Config) {
		c.OTLPEndpoint, c.SampleRatio, c.TierTokenFile = collector.URL, 1, file
	}})
	parent := func(id string) string { return "Traceparent: 00-" + id + "-00f067aa0ba902b7-01" }
	n.get("h", "/x", parent("11111111111111111111111111111111"))
	n.get("h", "/x", parent("22222222222222222222222222222222"), "Tiercache-Tier: a guess")
	n.get("h", "/x", parent("33333333333333333333333333333333"), "Tiercache-Tier: the tiers' secret", "Tiercache-Traced: 1")
	n.get("h", "/x", parent("44444444444444444444444444444444"), "Tiercache-Tier: the tiers' secret")
	if err := n.tel.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	var got string
	select {
	case got = <-spans:
	case <-time.After(10 * time.Second):
		t.Fatal("no span arrived")
	}
	if !strings.Contains(got, strings.Repeat("\x33", 16)) || !strings.Contains(got, "origin public") {
		t.Errorf("no span of the tier's request in %q", got)
	}
	if strings.Contains(got, strings.Repeat("\x11", 16)) || strings.Contains(got, strings.Repeat("\x22", 16)) || strings.Contains(got, strings.Repeat("\x44", 16)) {
		t.Error("a stranger's traceparent was believed")
	}
}

func TestGet_AStalledReaderIsCutOff(t *testing.T) {
	n := startNode(t, settings{origin: func(o *origin.Origin) { o.SetPace(300*time.Millisecond, time.Minute) }})
	n.put("h/large", strings.Repeat("0123456789abcdef", 2<<20)) // 32 MiB: more than socket buffers take
	conn := dial(t, n)
	io.WriteString(conn, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
	waitFor(t, 10*time.Second, func() bool {
		return n.store.Pool().Busy == 0 && strings.Contains(metricsOf(t, n), `route="public",status="200"`)
	})
	got, err := io.Copy(io.Discard, conn)
	if got >= 32<<20 {
		t.Errorf("a client that did not read for long got all %d bytes, %v", got, err)
	}
}

func TestGet_TransfersAreBounded(t *testing.T) {
	n := startNode(t, settings{})
	n.put("h/x", "x")
	release := n.FillStreams()
	a := n.get("h", "/x")
	a.want(t, "full", 503, "transfers")
	if a.header.Get("Retry-After") == "" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", a.header)
	}
	release()
	n.get("h", "/x").want(t, "free", 200, "x")
}

func TestVersions(t *testing.T) {
	n := startNode(t, settings{config: func(c *origin.Config) { c.KeepVersions = 3 }})
	var docs []api.Object
	for i := range 5 {
		var doc api.Object
		if err := json.Unmarshal([]byte(n.put("h/v", fmt.Sprint(i)).body), &doc); err != nil {
			t.Fatal(err)
		}
		docs = append(docs, doc)
	}
	var l api.Listing
	if err := json.Unmarshal([]byte(n.api("GET", "/v1/objects/h/v?versions", nil).body), &l); err != nil || len(l.Objects) != 3 || l.Objects[0].Ended != nil || l.Objects[1].Ended == nil {
		t.Errorf("versions %+v, %v", l, err)
	}
	n.api("GET", fmt.Sprintf("/v1/objects/h/v?version=%d", docs[3].Version), nil).want(t, "the one before", 200, "3")
	n.api("GET", fmt.Sprintf("/v1/objects/h/v?version=%d", docs[0].Version), nil).want(t, "removed", 404, "")
	n.api("GET", fmt.Sprintf("/v1/objects/h/w?version=%d", docs[3].Version), nil).want(t, "of another path", 404, "")
	n.api("GET", "/v1/objects/h/w?versions", nil).want(t, "of nothing", 404, "")
}

func TestList_PagesOverTenThousandObjects(t *testing.T) {
	n := startNode(t, settings{})
	const total = 10_500
	n.put("h/seed", "seed")
	n.insertObjects(total)
	seen, pages, last, next := 0, 0, "", ""
	for {
		var l api.Listing
		a := n.api("GET", "/v1/objects/h?prefix=%2Fmany%2F&limit=777"+next, nil)
		if err := json.Unmarshal([]byte(a.body), &l); err != nil {
			t.Fatalf("%v in %.200s", err, a.body)
		}
		pages++
		for _, o := range l.Objects {
			if o.Path <= last {
				t.Fatalf("%s after %s", o.Path, last)
			}
			last = o.Path
			seen++
		}
		if l.Next == "" {
			break
		}
		next = "&after=" + strings.ReplaceAll(l.Next, "/", "%2F")
	}
	if seen != total || pages != 14 {
		t.Errorf("%d objects on %d pages", seen, pages)
	}
}

func TestGet_DamageCutsTheConnection(t *testing.T) {
	n := startNode(t, settings{})
	n.put("h/x", strings.Repeat("x", 700_000), "Content-Encoding: identity")
	n.sql("UPDATE origin.chunks SET bytes = overlay(bytes placing 'y'::bytea from 5) WHERE index = 2")
	a := n.get("h", "/x")
	if a.status != 200 || !errors.Is(a.err, io.ErrUnexpectedEOF) || len(a.body) >= 700_000 {
		t.Errorf("got %d, %d bytes, %v", a.status, len(a.body), a.err)
	}
	n.sql("UPDATE origin.chunks SET bytes = overlay(bytes placing 'y'::bytea from 5) WHERE index = 0")
	a = n.get("h", "/x")
	a.want(t, "damage in the first chunk", 500, "request_id")
	if a.header.Get("ETag") != "" || a.header.Get("Content-Encoding") != "" {
		t.Errorf("the error has the object's fields: %v", a.header)
	}
	if !strings.Contains(n.log.String(), "damaged") || !strings.Contains(metricsOf(t, n), "tiercache_origin_corrupt_chunks_total") {
		t.Error("neither logged nor counted")
	}
}
