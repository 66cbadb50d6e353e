package endtoend

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tiercache/shared/config"
)

// objectLimit is the largest object and the largest request body, in bytes, unless told otherwise.
const objectLimit = 64 << 20

// TestSettings gives commands settings that they must refuse in one line that says where.
func TestSettings(t *testing.T) {
	wholeRun(t)
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "edge.yaml")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"unknown flag":         {[]string{"edge", "--lisen", "x"}, []string{"tiercache edge: unknown flag: --lisen"}},
		"unknown flag of up":   {[]string{"up", "--edge", "3"}, []string{"tiercache up: unknown flag: --edge"}},
		"wrong value":          {[]string{"up", "--edges", "many"}, []string{"tiercache up: ", "--edges", "many"}},
		"impossible value":     {[]string{"up", "--edges", "0"}, []string{"tiercache up: ", "edges"}},
		"unknown field":        {[]string{"edge", "--config", file("node: edge-1\nlisen: 127.0.0.1:1\n")}, []string{"edge.yaml:2:1: unknown field \"lisen\""}},
		"unknown field inside": {[]string{"edge", "--config", file("services:\n  - name: a\n    host: [x]\n")}, []string{"edge.yaml:3:5: unknown field \"host\""}},
		"wrong type":           {[]string{"edge", "--config", file("node: edge-1\nl1_size: big\n")}, []string{"edge.yaml:2:10: "}},
		"broken line":          {[]string{"edge", "--config", file("node: edge-1\nlisten: [127.0.0.1\nregion: r1\n")}, []string{"edge.yaml:"}},
		"broken indentation":   {[]string{"edge", "--config", file("node: edge-1\n   listen: 127.0.0.1:1\n")}, []string{"edge.yaml:"}},
		"no such file":         {[]string{"edge", "--config", "/nowhere/edge.yaml"}, []string{"/nowhere/edge.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			result := tiercache(t, c.args...)
			code := config.ExitInvalid
			if strings.Contains(c.want[0], "flag") || strings.HasSuffix(name, "value") { // the command line itself is wrong
				code = 2
			}
			result.failsWith(t, code, c.want...)
			if strings.HasSuffix(c.want[0], "edge.yaml:") {
				wantsPosition(t, result.stderr)
			}
		})
	}
}

// TestUnknownCommand wants the suggestion that goes with it.
func TestUnknownCommand(t *testing.T) {
	wholeRun(t)
	result := tiercache(t, "egde")
	if result.code != 2 || !strings.HasPrefix(result.stderr, `tiercache: unknown command "egde"`) || !strings.Contains(result.stderr, "did you mean edge?") {
		t.Errorf("exit status %d, %q", result.code, result.stderr)
	}
}

// wantsPosition wants FILE:LINE:COLUMN.
func wantsPosition(t *testing.T, message string) {
	t.Helper()
	_, rest, _ := strings.Cut(message, "edge.yaml:")
	parts := strings.SplitN(rest, ":", 3)
	for i := range 2 {
		if n, err := strconv.Atoi(parts[min(i, len(parts)-1)]); err != nil || n < 1 {
			t.Fatalf("no line and column in %q", message)
		}
	}
}

// testTokens shows wrong tokens to the origin and to control.
func testTokens(t *testing.T, u *up) {
	const wrong = "tct_d3JvbmcgYnV0IG9mIHRoZSByaWdodCBsZW5ndGggISEh"
	objects, fleet := u.url(originPort)+"/v1/objects/h/token.txt", u.url(controlPort)+"/v1/fleet"
	for _, c := range []struct {
		method, url, authorization string
		status                     int
	}{
		{http.MethodPut, objects, "", 401},
		{http.MethodPut, objects, "Bearer " + wrong, 401},
		{http.MethodPut, objects, "Basic " + u.token(t), 401},
		{http.MethodGet, objects, "Bearer " + u.token(t) + "x", 401},
		{http.MethodGet, fleet, "", 401},
		{http.MethodGet, fleet, "Bearer " + wrong, 401},
	} {
		q := request{method: c.method, url: c.url, body: strings.NewReader("")}
		if c.authorization != "" {
			q.fields = []string{"Authorization: " + c.authorization}
		}
		got := sendWhole(t, q)
		if got.status != c.status || got.header.Get("WWW-Authenticate") == "" && c.url == objects {
			t.Errorf("%s %s with %.12q: %d %q, want %d", c.method, c.url, c.authorization, got.status, got.body, c.status)
		}
		if strings.Contains(string(got.body), wrong) || strings.Contains(string(got.body), u.token(t)) {
			t.Errorf("the reply repeats the token: %q", got.body)
		}
	}
	put := u.object(t, "put", "h/token.txt", os.Args[0], "--token", wrong)
	put.fails(t, "tiercache object put: ", "401 Unauthorized")
	list := tiercache(t, "status", "--control", u.url(controlPort), "--token", wrong)
	list.fails(t, "tiercache status: ")
	if strings.Contains(put.stderr+list.stderr, wrong) {
		t.Error("the command prints the token")
	}
	u.object(t, "get", "h/token.txt").fails(t, "404 Not Found")
}

// testOversizeBody sends one byte too many, announced and not.
func testOversizeBody(t *testing.T, u *up) {
	authorization := "Authorization: Bearer " + u.token(t)
	target := u.url(originPort) + "/v1/objects/h/oversize.bin"
	for _, q := range []request{
		{method: http.MethodPut, url: target, fields: []string{authorization, "Expect: 100-continue"}, body: announced(objectLimit + 1)},
		{method: http.MethodPut, url: target, fields: []string{authorization}, body: zeros(objectLimit + 1)},
		{method: http.MethodPut, url: target, fields: []string{authorization}, body: announced(objectLimit + 1)},
		{method: http.MethodPost, url: u.edge(1) + "/oversize", fields: []string{"Expect: 100-continue"}, body: announced(objectLimit + 1)},
		{method: http.MethodPost, url: u.edge(1) + "/oversize", body: announced(objectLimit + 1)},
	} {
		if got := sendWhole(t, q); got.status != http.StatusRequestEntityTooLarge || len(got.body) == 0 {
			t.Errorf("%s %s: %d %q, want 413", q.method, q.url, got.status, got.body)
		}
	}
	u.object(t, "get", "h/oversize.bin").fails(t, "404 Not Found")
	exact := sendWhole(t, request{method: http.MethodPut, url: target, fields: []string{authorization}, body: zeros(objectLimit)})
	if exact.status != http.StatusCreated {
		t.Errorf("a body of the very limit: %d %q", exact.status, exact.body)
	}
	u.object(t, "rm", "h/oversize.bin").succeeds(t)
}

// zeros is a body of n bytes whose length is not announced.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// sized is a body whose length is announced.
type sized struct {
	io.Reader
	length int64
}

func announced(n int64) io.Reader { return sized{zeros(n), n} }

// testSecondOnOneFolder starts a second platform on the folder of a running one.
func testSecondOnOneFolder(t *testing.T, u *up) {
	second := &up{dir: u.dir, offset: freeOffset(t)}
	tiercache(t, "up", "--data-dir", second.dir, "--port-offset", strconv.Itoa(second.offset)).
		fails(t, fmt.Sprintf("%s is used by process %d", u.dir, u.process.Pid()), "--data-dir")
	patiently(t, recovery, func() error { return u.wholly(t) })
}

// TestBusyPort holds one of the ports.
func TestBusyPort(t *testing.T) {
	wholeRun(t)
	u := newUp(t)
	listener, err := net.Listen("tcp", u.addr(edgePort+1))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	u.launch(t)
	u.process.awaitEnd(t)
	want := fmt.Sprintf("%s, for edge-2, is held by %s (pid %d)", u.addr(edgePort+1), filepath.Base(os.Args[0]), os.Getpid())
	if said := u.process.printed.String(); u.process.Err() == nil || !strings.Contains(said, want) || !strings.Contains(said, "--port-offset") {
		t.Errorf("%v, want %q in:\n%s", u.process.Err(), want, said)
	}
}
