package endtoend

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/shared/testkit"
)

// TestAppSite puts a platform in front of a small app: what clients get through the tiers must be what the
// app meant for them, and for nobody else.
func TestAppSite(t *testing.T) {
	wholeRun(t)
	site := newApp(t)
	u := started(t, "--upstream", site.url)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *up, *app)
	}{
		{"Stream", testStream},
		{"Chunked", testChunked},
		{"Redirect", testRedirect},
		{"Cookies", testCookies},
		{"Authorization", testAuthorization},
		{"Errors", testErrors},
		{"StaleIfError", testStaleIfError},
		{"Truncated", testTruncated},
		{"Revalidation", testRevalidation},
		{"UnsafeMethod", testUnsafeMethod},
		{"OversizeUpload", testOversizeUpload},
		{"AbandonedUpload", testAbandonedUpload},
		{"SiteGone", testSiteGone},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, u, site) })
	}
}

// testStream wants each part when the app has sent it, for the first client and for one that joins.
func testStream(t *testing.T, u *up, site *app) {
	for _, path := range []string{"/stream/shared", "/stream/private"} {
		t.Run(path, func(t *testing.T) {
			readers := []*bufio.Reader{open(t, u.edge(1)+path)}
			if path == "/stream/shared" {
				readers = append(readers, open(t, u.edge(1)+path))
			}
			for i := range streamParts {
				if i > 0 {
					site.gate(path) <- struct{}{}
				}
				for n, reader := range readers {
					if line, err := reader.ReadString('\n'); err != nil || line != streamPart(i) {
						t.Fatalf("client %d: part %d is %q (%v)", n, i, line, err)
					}
				}
			}
			for n, reader := range readers {
				if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) {
					t.Errorf("client %d: it does not end after the last part: %v", n, err)
				}
			}
			if n := site.asked(path); n != 1 {
				t.Errorf("the app was asked %d times, want once", n)
			}
		})
	}
	whole := streamPart(0) + streamPart(1) + streamPart(2)
	first := get(t, u.edge(1)+"/stream/shared")
	first.is(t, http.StatusOK, whole)
	first.saysThat(t, "edge-1; hit")
	get(t, u.edge(2)+"/stream/shared").is(t, http.StatusOK, whole)
}

// open sends a request and returns the body that begins to come; no read of it waits for ever.
func open(t *testing.T, url string) *bufio.Reader {
	t.Helper()
	client := newClient()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		response.Body.Close()
		client.CloseIdleConnections()
	})
	return bufio.NewReader(response.Body)
}

func testChunked(t *testing.T, u *up, site *app) {
	for _, c := range []struct {
		edge int
		says []string
	}{
		{1, []string{"regional-1; fwd=uri-miss", "edge-1; fwd=uri-miss"}},
		{1, []string{"edge-1; hit"}},
		{2, []string{"regional-1; hit", "edge-2; fwd=uri-miss"}},
	} {
		got := get(t, u.edge(c.edge)+"/chunked")
		same(t, "the body", got.body, site.chunked)
		got.saysThat(t, c.says...)
	}
}

// testRedirect wants redirects passed on, stored like any other response and followed by nobody but clients.
func testRedirect(t *testing.T, u *up, site *app) {
	for range 2 {
		got := get(t, u.edge(1)+"/redirect")
		if got.status != http.StatusFound || got.header.Get("Location") != "/target?of=redirect" {
			t.Errorf("%d to %q", got.status, got.header.Get("Location"))
		}
	}
	if site.asked("/redirect") != 1 || site.asked("/target") != 0 {
		t.Errorf("the app was asked %d times for the redirect, %d times for its target", site.asked("/redirect"), site.asked("/target"))
	}
}

// testCookies asks from many clients at once: no cookie may reach two of them.
func testCookies(t *testing.T, u *up, _ *app) {
	var clients sync.WaitGroup
	replies := make([]reply, 24)
	for i := range replies {
		clients.Go(func() {
			client := newClient()
			defer client.CloseIdleConnections()
			var err error
			if replies[i], err = (request{url: u.edge(i%2+1) + "/cookie"}).send(client); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	seen := map[string]bool{}
	for _, r := range replies {
		cookie := r.header.Get("Set-Cookie")
		session, _ := strings.CutPrefix(cookie, "session=")
		if seen[cookie] || r.status != http.StatusOK || string(r.body) != "for session "+session {
			t.Errorf("%d, cookie %q, %q (%s)", r.status, cookie, r.body, r.cacheStatus())
		}
		seen[cookie] = true
	}
}

func testAuthorization(t *testing.T, u *up, _ *app) {
	for _, user := range []string{"Basic YQ==", "Basic Yg==", "Basic YQ=="} {
		get(t, u.edge(1)+"/account", "Authorization: "+user).is(t, http.StatusOK, "account of "+user)
	}
	get(t, u.edge(1)+"/account").is(t, http.StatusOK, "account of ")
}

func testErrors(t *testing.T, u *up, site *app) {
	seen := map[string]bool{}
	for range 3 {
		got := get(t, u.edge(1)+"/error")
		if got.status != http.StatusInternalServerError || !strings.HasPrefix(string(got.body), "failure ") || seen[string(got.body)] {
			t.Errorf("%d %q (%s)", got.status, got.body, got.cacheStatus())
		}
		seen[string(got.body)] = true
	}
	if n := site.asked("/error"); n != 3 {
		t.Errorf("the app was asked %d times, want 3", n)
	}
}

func testStaleIfError(t *testing.T, u *up, site *app) {
	get(t, u.edge(1)+"/stale").is(t, http.StatusOK, "the last good one")
	site.broken.Store(true)
	defer site.broken.Store(false)
	get(t, u.edge(1)+"/stale").is(t, http.StatusOK, "the last good one")
	if n := site.asked("/stale"); n != 2 {
		t.Errorf("the app was asked %d times, want 2", n)
	}
}

// testTruncated wants a cut body to be an error for each client that gets it, and to be kept nowhere.
func testTruncated(t *testing.T, u *up, site *app) {
	for _, path := range []string{"/cut/short", "/cut/between-chunks", "/cut/in-chunk"} {
		t.Run(path, func(t *testing.T) {
			site.cutting.Store(true)
			for edge := range 2 {
				client := newClient()
				got, err := request{url: u.edge(edge+1) + path}.send(client)
				client.CloseIdleConnections()
				if err == nil && got.status < 500 {
					t.Errorf("edge %d passes %d bytes off as whole: %d, %s", edge+1, len(got.body), got.status, got.cacheStatus())
				}
			}
			site.cutting.Store(false)
			for edge := range 2 {
				get(t, u.edge(edge+1)+path).is(t, http.StatusOK, strings.Repeat("0123456789", 1000))
			}
			if n := site.asked(path); n < 3 {
				t.Errorf("the app was asked %d times, so something cut was kept", n)
			}
		})
	}
}

// testRevalidation wants conditional requests to the app while nothing changes, and 304 for clients that
// have what is current.
func testRevalidation(t *testing.T, u *up, site *app) {
	const path = "/entity"
	get(t, u.edge(1)+path).is(t, http.StatusOK, `entity "v0"`)
	get(t, u.edge(1)+path).is(t, http.StatusOK, `entity "v0"`)
	if site.asked(path) != 2 || site.notModified() != 1 {
		t.Errorf("the app was asked %d times and said 304 %d times, want 2 and 1", site.asked(path), site.notModified())
	}
	get(t, u.edge(1)+path, `If-None-Match: "v0"`).is(t, http.StatusNotModified, "")
	get(t, u.edge(2)+path).is(t, http.StatusOK, `entity "v0"`)
	if site.asked(path) != 4 || site.notModified() != 3 {
		t.Errorf("the app was asked %d times and said 304 %d times, want 4 and 3", site.asked(path), site.notModified())
	}
	site.entity.Add(1)
	for edge := range 2 {
		get(t, u.edge(edge+1)+path, `If-None-Match: "v0"`).is(t, http.StatusOK, `entity "v1"`)
	}
}

// testUnsafeMethod wants a POST to reach the app once, and to void what is stored for its URI.
func testUnsafeMethod(t *testing.T, u *up, site *app) {
	before := get(t, u.edge(1)+"/item")
	get(t, u.edge(1)+"/item").saysThat(t, "edge-1; hit")
	posted := sendWhole(t, request{method: http.MethodPost, url: u.edge(1) + "/item", body: strings.NewReader("what is posted")})
	posted.is(t, http.StatusOK, `posted "what is posted" <nil>`)
	after := get(t, u.edge(1)+"/item")
	if string(after.body) == string(before.body) || after.body == nil {
		t.Errorf("after the POST it is still %q (%s)", after.body, after.cacheStatus())
	}
	if n := site.asked("/item"); n != 3 {
		t.Errorf("the app was asked %d times, want 3", n)
	}
}

// testOversizeUpload sends one byte too many through the tiers without announcing it.
func testOversizeUpload(t *testing.T, u *up, _ *app) {
	exact := sendWhole(t, request{method: http.MethodPost, url: u.edge(1) + "/upload", body: zeros(objectLimit)})
	exact.is(t, http.StatusOK, fmt.Sprintf("%d bytes, <nil>", objectLimit))
	over := sendWhole(t, request{method: http.MethodPost, url: u.edge(1) + "/upload", body: zeros(objectLimit + 1)})
	if over.status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %q (%s), want 413", over.status, over.body, over.cacheStatus())
	}
	wayIsOpen(t, u)
}

// wayIsOpen wants a miss to go through the regional node: no client may make an edge think that it is gone.
func wayIsOpen(t *testing.T, u *up) {
	t.Helper()
	get(t, fmt.Sprintf("%s/plain?%d", u.edge(1), time.Now().UnixNano())).saysThat(t, "regional-1; fwd=uri-miss", "edge-1; fwd=uri-miss")
	if err := lacksNothing(u.url(edgePort + adminDistance)); err != nil {
		t.Error(err)
	}
}

// testAbandonedUpload leaves in the middle of an upload, with and without an announced length.
func testAbandonedUpload(t *testing.T, u *up, site *app) {
	for _, framing := range []string{"Content-Length: 3000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2dc6c0\r\n"} {
		before := site.asked("/upload")
		conn, err := net.Dial("tcp", u.addr(edgePort))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(conn, "POST /upload HTTP/1.1\r\nHost: h\r\n"+framing+strings.Repeat("x", 2_000_000))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, readyTimeout, func() error {
			if site.asked("/upload") == before {
				return errors.New("the upload has not reached the app")
			}
			return nil
		})
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		wayIsOpen(t, u)
	}
}

// testSiteGone takes the site away: what is stored is served, all else fails with a clear status and soon.
func testSiteGone(t *testing.T, u *up, site *app) {
	get(t, u.edge(1)+"/plain").is(t, http.StatusOK, site.plain)
	site.stop()
	got := get(t, u.edge(1)+"/plain")
	got.is(t, http.StatusOK, site.plain)
	got.saysThat(t, "edge-1; hit")
	began := time.Now()
	gone := get(t, u.edge(1)+"/plain?never-asked-for")
	if took := time.Since(began); gone.status != http.StatusGatewayTimeout || took > slowestMiss {
		t.Errorf("%d %q after %v, want 504", gone.status, gone.body, took)
	}
	patiently(t, recovery, func() error { return u.wholly(t) }) // a site that is gone is not the platform's fault
}
