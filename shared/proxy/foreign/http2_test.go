package foreign

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"tiercache/shared/proxy"
)

// http2 answers over TLS and HTTP/2, and c trusts its certificate.
func http2(t *testing.T, c *Client, handler http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	trusted := server.Client().Transport.(*http.Transport).TLSClientConfig
	c.kept.TLSClientConfig, c.once.TLSClientConfig = trusted.Clone(), trusted.Clone()
	return server.URL
}

// RFC 9113, 8.1: a response whose stream is reset is not complete, with or without a length.
func TestFetch_HTTP2ResponsesThatAreResetAreErrors(t *testing.T) {
	for name, length := range map[string]string{"content-length": "10", "unknown length": ""} {
		c := New()
		t.Cleanup(c.Close)
		url := http2(t, c, func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != 2 {
				t.Errorf("the site was asked in %s", r.Proto)
			}
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			fmt.Fprint(w, "half")
			if r.URL.Path == "/whole" {
				return
			}
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler) // resets the stream
		})
		for _, path := range []string{"/cut", "/whole"} {
			r, err := c.Fetch(t.Context(), serviceOf(url, 0), &proxy.Request{Method: "GET", Target: path})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := io.ReadAll(r.Body)
			r.Body.Close()
			if whole := path == "/whole" && length == ""; whole != (err == nil) || string(got) != "half" {
				t.Errorf("%s, %s: read %q, %v", name, path, got, err)
			}
		}
	}
}
