package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(s.URL, "tct_secret", 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestNew_RefusesWhatIsNoOrigin(t *testing.T) {
	for _, u := range []string{"", "localhost:7080", "ftp://h", "http://", "http://h/path", "http://h:x"} {
		if _, err := New(u, "", 1); err == nil {
			t.Errorf("%q passes", u)
		}
	}
}

func TestPut_SendsThePathByteForByte(t *testing.T) {
	var got *http.Request
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { got = r; fmt.Fprint(w, "{}") })
	for _, path := range []string{"/", "//a", "/a%2Fb%2f", "/%7E~", "/a%3Fb", "/'|^"} {
		_, err := c.Put(context.Background(), PutRequest{Host: "h.example", Path: path, Body: strings.NewReader("x"), Size: 1, IfNone: "*"})
		if err != nil {
			t.Fatal(err)
		}
		if got.RequestURI != "/v1/objects/h.example"+path || got.Header.Get("If-None-Match") != "*" || len(got.Header["If-Match"]) != 0 {
			t.Errorf("%s was sent as %s, %v", path, got.RequestURI, got.Header)
		}
	}
}

func TestErrors_TellTheDetailAndNeverTheToken(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodDelete:
			w.WriteHeader(http.StatusPreconditionFailed)
			fmt.Fprint(w, `{"detail":"read it again","request_id":"R1"}`)
		default:
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	})
	_, err := c.Delete(context.Background(), DeleteRequest{Host: "h", Path: "/x", IfMatch: `"t"`})
	var answer *Error
	if !errors.As(err, &answer) || answer.Status != 412 || !strings.Contains(err.Error(), "read it again (request R1)") {
		t.Errorf("got %v", err)
	}
	if _, err := c.Get(context.Background(), "h", "/x", 0); !errors.As(err, &answer) || answer.Status != 302 {
		t.Errorf("a redirect: %v", err)
	}
	dead, err := New("http://user:hunter2@127.0.0.1:1", "tct_secret", 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = dead.Get(context.Background(), "h", "/x", 0)
	if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "tct_secret") {
		t.Errorf("got %v", err)
	}
}

func TestList_FollowsThePages(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch after := r.URL.Query().Get("after"); after {
		case "":
			fmt.Fprint(w, `{"objects":[{"path":"/a"},{"path":"/b%2F"}],"next":"/b%2F"}`)
		case "/b%2F":
			fmt.Fprint(w, `{"objects":[{"path":"/c"}]}`)
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	var paths []string
	for o, err := range c.List(context.Background(), "h", "/") {
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, o.Path)
	}
	if got := strings.Join(paths, " "); got != "/a /b%2F /c" {
		t.Errorf("got %s", got)
	}
	broken := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{") })
	for _, err := range broken.List(context.Background(), "h", "/") {
		if err == nil {
			t.Error("half a document passes")
		}
	}
}

func TestWrites_CarryTheWaitAndTheEpoch(t *testing.T) {
	var query string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		switch {
		case r.Method == http.MethodDelete && query == "":
			w.Header().Set("Tiercache-Epoch", "7")
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodDelete:
			fmt.Fprint(w, `{"host":"h","path":"/x","deleted":true,"epoch":8,"receipt":{"epoch":8,"state":"complete","nodes":[{"node":"n","state":"fenced"}]}}`)
		default:
			fmt.Fprint(w, `{"host":"h","epoch":null,"note":"later","receipt":{"state":"pending","nodes":[]}}`)
		}
	})
	d, err := c.Delete(context.Background(), DeleteRequest{Host: "h", Path: "/x"})
	if err != nil || d.Epoch == nil || *d.Epoch != 7 || d.Receipt != nil {
		t.Errorf("a delete: %+v, %v", d, err)
	}
	d, err = c.Delete(context.Background(), DeleteRequest{Host: "h", Path: "/x", Wait: 2 * time.Second})
	if err != nil || query != "wait=2s" || *d.Epoch != 8 || !d.Receipt.Complete() || d.Receipt.Nodes[0].State != "fenced" {
		t.Errorf("a delete that waits: %+v with %q, %v", d, query, err)
	}
	p, err := c.Put(context.Background(), PutRequest{Host: "h", Path: "/x", Body: strings.NewReader("x"), Size: 1, Wait: time.Minute})
	if err != nil || query != "wait=1m0s" || p.Host != "h" || p.Epoch != nil || p.Note != "later" || p.Receipt.Complete() {
		t.Errorf("a put that waits: %+v with %q, %v", p, query, err)
	}
}
