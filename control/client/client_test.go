package client

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// answer is a client of an API that answers everything with status and body.
func answer(t *testing.T, status int, body string) *Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	c, err := New(Config{URL: srv.URL + "/", Token: "tct_secret"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClient_ErrorsSayWhatToDo(t *testing.T) {
	const problem = `{"status":503,"title":"Service Unavailable","detail":"PostgreSQL is away"}`
	for name, c := range map[string]struct {
		client *Client
		is     error
		want   string
	}{
		"401":              {answer(t, 401, ""), ErrUnauthorized, "--token"},
		"403":              {answer(t, 403, `{"title":"Forbidden","detail":"the token lacks the role read"}`), ErrUnauthorized, "lacks the role read"},
		"503":              {answer(t, 503, problem), nil, "503 Service Unavailable: PostgreSQL is away"},
		"502 not by us":    {answer(t, 502, "<html>"), nil, "502 Bad Gateway"},
		"redirect":         {answer(t, 302, ""), nil, "302 Found"},
		"200 not by us":    {answer(t, 200, "<html>"), nil, "did not answer as control does"},
		"nobody listening": {&Client{base: "http://127.0.0.1:1", http: http.DefaultClient}, ErrUnreachable, "is it running?"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.client.Fleet(t.Context())
			if err == nil || (c.is != nil && !errors.Is(err, c.is)) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "tct_secret") {
				t.Error("the token is in the error")
			}
		})
	}
}

func TestNew_RefusesWhatIsNoURL(t *testing.T) {
	for _, bad := range []string{"127.0.0.1:7070", "ftp://x", "http://", "http://user:hunter2@%zz"} {
		if _, err := New(Config{URL: bad}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	if c, err := New(Config{}); err != nil || c.base != DefaultURL {
		t.Errorf("got %+v, %v", c, err)
	}
}
