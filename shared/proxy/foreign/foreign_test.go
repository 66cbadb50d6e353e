package foreign

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tiercache/shared/httpcache"
	"tiercache/shared/policy"
	"tiercache/shared/proxy"
	"tiercache/shared/testkit"
)

func serviceOf(url string, timeout time.Duration) *policy.Match {
	return &policy.Match{Service: policy.Service{Name: "s", Upstream: url, Timeout: timeout}}
}

func fetch(t *testing.T, s *policy.Match, r *proxy.Request) (*proxy.Response, error) {
	t.Helper()
	c := New()
	t.Cleanup(c.Close)
	return c.Fetch(t.Context(), s, r)
}

func TestFetch_SendsTheTargetByteForByte(t *testing.T) {
	got := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.RequestURI }))
	defer server.Close()
	for _, target := range []string{"/a%2Fb", "//double", "//double%2f//x?", "///?a", "//", "//in|valid", "/a/../b", "/;x?", "/?a=%20&b", "/a%zz"} {
		service := serviceOf(server.URL, 0)
		service.PreserveHost = true
		r, err := fetch(t, service, &proxy.Request{Method: "GET", Host: "shop.example", Target: target})
		if target == "/a%zz" { // net/http's server refuses it, so the reply says so
			if err != nil || r.Status != http.StatusBadRequest {
				t.Errorf("%s: %v %v", target, r, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		r.Body.Close()
		sent := <-got
		if want := strings.Replace(target, "//in|", "http://shop.example//in|", 1); sent != want {
			t.Errorf("sent %q, want %q", sent, want)
		}
	}
}

func TestFetch_HostAndFields(t *testing.T) {
	got := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	s := serviceOf(server.URL, 0)
	s.PreserveHost = true
	r, err := fetch(t, s, &proxy.Request{Method: "GET", Host: "shop.example", Target: "/", Header: httpcache.Fields{{Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	sent := <-got
	if sent.Host != "shop.example" || len(sent.Header["X-A"]) != 2 || sent.UserAgent() != "" || sent.Header.Get("Accept-Encoding") != "" {
		t.Errorf("sent %s %v", sent.Host, sent.Header)
	}
	cookies := 0
	for range r.Header.Values("Set-Cookie") {
		cookies++
	}
	if r.Status != http.StatusTeapot || cookies != 2 {
		t.Errorf("got %d, %v", r.Status, r.Header)
	}
}

// raw is the URL of a server that answers with what serve writes.
func raw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	return "http://" + testkit.Raw(t, func(c net.Conn, _ *http.Request) { serve(c) })
}

func TestFetch_TruncatedBodiesAreErrors(t *testing.T) {
	for name, reply := range map[string]string{
		"content-length":  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"inside a chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf",
		"between chunks":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"after last size": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
	} {
		url := raw(t, func(c net.Conn) { fmt.Fprint(c, reply) })
		r, err := fetch(t, serviceOf(url, 0), &proxy.Request{Method: "GET", Target: "/"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := io.ReadAll(r.Body); err == nil {
			t.Errorf("%s: read %q as whole", name, got)
		}
		r.Body.Close()
	}
}

func TestFetch_InterimResponsesAreNotTheFinalOne(t *testing.T) {
	url := raw(t, func(c net.Conn) {
		fmt.Fprint(c, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	r, err := fetch(t, serviceOf(url, 0), &proxy.Request{Method: "GET", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.Status != http.StatusOK || r.Header.Has("Link") {
		t.Fatalf("%d %v", r.Status, r.Header)
	}
}

// RFC 9110, 7.8: nobody asked for it, so what follows can not be passed on.
func TestFetch_SwitchingProtocolsIsAnError(t *testing.T) {
	ended := make(chan error, 1)
	url := raw(t, func(c net.Conn) {
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		err := c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		ended <- err
	})
	r, err := fetch(t, serviceOf(url, 20*time.Second), &proxy.Request{Method: "GET", Target: "/"})
	if err == nil || errors.Is(err, proxy.ErrUnreachable) {
		t.Errorf("%+v, %v", r, err)
	}
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("the connection is still open: %v", err)
	}
}

func TestFetch_Timeouts(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	head := raw(t, func(net.Conn) { <-hold })
	if _, err := fetch(t, serviceOf(head, 500*time.Millisecond), &proxy.Request{Method: "GET", Target: "/"}); !errors.Is(err, proxy.ErrTimeout) {
		t.Errorf("no head: %v, want ErrTimeout", err)
	}
	part := raw(t, func(c net.Conn) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		<-hold
	})
	r, err := fetch(t, serviceOf(part, 2*time.Second), &proxy.Request{Method: "GET", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if _, err := io.ReadAll(r.Body); err == nil {
		t.Error("a body that stalls is read as whole")
	}
}

func TestFetch_NobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = fetch(t, serviceOf("http://"+l.Addr().String(), 0), &proxy.Request{Method: "GET", Target: "/"})
	if !errors.Is(err, proxy.ErrUnreachable) {
		t.Fatalf("%v, want ErrUnreachable", err)
	}
}

// A client's body that breaks is not the upstream's fault.
func TestFetch_BrokenRequestBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // it breaks
	}))
	defer server.Close()
	_, err := fetch(t, serviceOf(server.URL, 20*time.Second), &proxy.Request{Method: "POST", Target: "/", Body: broken{}, Length: -1})
	if !errors.Is(err, proxy.ErrRequestBody) || errors.Is(err, proxy.ErrUnreachable) {
		t.Errorf("%v, want ErrRequestBody and not ErrUnreachable", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, proxy.ErrRequestBody }
