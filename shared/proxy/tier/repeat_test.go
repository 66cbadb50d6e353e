package tier

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"tiercache/shared/proxy"
)

// misbehaving is a node that answers "/" and keeps the connection; any other target gets what refuse does, and
// then the end of its connection. asked counts those.
func misbehaving(t *testing.T, refuse func(net.Conn)) (addr string, asked *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked = new(atomic.Int32)
	serve := func(conn net.Conn) {
		defer conn.Close()
		for reader := bufio.NewReader(conn); ; {
			r, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			if r.RequestURI != "/" {
				asked.Add(1)
				refuse(conn)
				return
			}
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l.Addr().String(), asked
}

// A request is sent again only when its connection was kept and turned out closed.
func TestFetch_WhatIsRepeated(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	silent := func(net.Conn) { <-hold }
	closed := func(net.Conn) {}
	partly := func(conn net.Conn) { fmt.Fprint(conn, "HTTP/1.1 200 O") }
	for name, c := range map[string]struct {
		method string
		refuse func(net.Conn)
		kept   bool
		err    error
		asked  int32
	}{
		"a node that is silent":                   {"GET", silent, false, proxy.ErrTimeout, 1},
		"a node that is silent, kept connection":  {"GET", silent, true, proxy.ErrTimeout, 1},
		"a connection that ends":                  {"GET", closed, false, proxy.ErrUnreachable, 1},
		"a kept connection that ends":             {"GET", closed, true, proxy.ErrUnreachable, 2},
		"... under another safe method":           {"OPTIONS", closed, true, proxy.ErrUnreachable, 2},
		"... under a method that is not safe":     {"DELETE", closed, true, proxy.ErrUnreachable, 1},
		"a kept connection that ends in the head": {"GET", partly, true, proxy.ErrUnreachable, 1},
	} {
		addr, asked := misbehaving(t, c.refuse)
		client := client(t)
		timeout := time.Minute // which nothing waits for
		if errors.Is(c.err, proxy.ErrTimeout) {
			timeout = time.Second - slack // a second is left of it with the slack
		}
		if c.kept {
			response, err := client.Fetch(t.Context(), addr, timeout, get("/"))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			drain(t, response)
		}
		_, err := client.Fetch(t.Context(), addr, timeout, &proxy.Request{Method: c.method, Host: "site.example", Target: "/other"})
		if n := asked.Load(); !errors.Is(err, c.err) || n != c.asked {
			t.Errorf("%s: asked %d times, want %d; %v", name, n, c.asked, err)
		}
	}
}
