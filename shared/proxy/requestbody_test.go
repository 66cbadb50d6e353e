package proxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tiercache/shared/policy"
	"tiercache/shared/proxy"
)

// What is wrong with a client's body is the client's fault: a 4xx, on both kinds of way to an upstream.
func TestServe_BrokenRequestBodies(t *testing.T) {
	read := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	limit := func(c *proxy.Config, _ *policy.Service) { c.MaxRequestBody = 2_000_000 }
	for way, s := range map[string]*system{"foreign": newSystem(t, read, limit), "tier": twoTiers(t, "secret", read)} {
		for name, c := range map[string]struct {
			body   string
			status string
		}{
			"bad chunk": {"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", "HTTP/1.1 400 "},
			"cut chunk": {"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "HTTP/1.1 400 "},
			"cut body":  {"Content-Length: 1500000\r\n\r\n" + strings.Repeat("x", 1_200_000), "HTTP/1.1 400 "},
			"too long":  {"Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("10000\r\n"+strings.Repeat("x", 0x10000)+"\r\n", 40) + "0\r\n\r\n", "HTTP/1.1 413 "},
		} {
			if way == "tier" && name == "too long" {
				continue // its limit is the default's 64 MiB
			}
			if got := sendHalf(t, strings.TrimPrefix(s.url, "http://"), "POST / HTTP/1.1\r\nHost: site.example\r\n"+c.body); !strings.HasPrefix(got, c.status) {
				t.Errorf("%s, %s: %q, want %s", way, name, got, c.status)
			}
		}
	}
}

// sendHalf writes to a new connection, ends its own half and returns the status line.
func sendHalf(t *testing.T, addr, message string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, message); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return line
}

// An upstream may answer while it still reads: the body is the request's for as long as the reply lasts.
func TestServe_ReplyStreamsWhileTheBodyIsRead(t *testing.T) {
	s := newSystem(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(w, r.Body)
	})
	sent := randomBody(3_000_000)
	for range 5 {
		response, err := s.client.Post(s.url, "text/plain", io.MultiReader(bytes.NewReader(sent)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if !bytes.Equal(got, sent) || err != nil {
			t.Fatalf("%d bytes came back, want %d: %v", len(got), len(sent), err)
		}
	}
}
