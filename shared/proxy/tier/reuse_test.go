package tier

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

	"tiercache/shared/proxy"
	"tiercache/shared/testkit"
)

// node answers every request of a connection with its own name, keeping all connections, until it is ended.
type node struct {
	addr  string
	mu    sync.Mutex
	conns []net.Conn
	stop  func()
}

func startNode(t *testing.T, addr, name string) *node {
	t.Helper()
	var l net.Listener
	testkit.Eventually(t, 5*time.Second, func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	n := &node{addr: l.Addr().String()}
	n.stop = sync.OnceFunc(func() {
		l.Close()
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, conn := range n.conns {
			conn.Close()
		}
	})
	t.Cleanup(n.stop)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.mu.Lock()
			n.conns = append(n.conns, conn)
			n.mu.Unlock()
			go answer(conn, name)
		}
	}()
	return n
}

func answer(conn net.Conn, name string) {
	for reader := bufio.NewReader(conn); ; {
		r, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // a test's client
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(name), name)
	}
}

func (n *node) connections() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.conns)
}

func ask(t *testing.T, c *Client, addr string, r *proxy.Request) (string, error) {
	response, err := c.Fetch(t.Context(), addr, time.Second, r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func drain(t *testing.T, r *proxy.Response) {
	t.Helper()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Error(err)
	}
	r.Body.Close()
}

// A node that was restarted costs no request, although none of the connections that were kept is left.
func TestFetch_RestartedNodeIsFoundAtOnce(t *testing.T) {
	const kept = 20
	c := client(t)
	first := startNode(t, testkit.FreeAddr(t), "first")
	var all sync.WaitGroup
	open := make(chan *proxy.Response, kept)
	for range kept {
		all.Go(func() {
			r, err := c.Fetch(t.Context(), first.addr, time.Second, get("/"))
			if err != nil {
				t.Error(err)
				return
			}
			open <- r
		})
	}
	all.Wait()
	close(open)
	for r := range open { // all at once, so that each had a connection of its own
		drain(t, r)
	}
	if n := first.connections(); n != kept {
		t.Fatalf("%d connections, want %d", n, kept)
	}
	first.stop()
	startNode(t, first.addr, "second")
	for range 3 {
		if got, err := ask(t, c, first.addr, get("/")); err != nil || got != "second" {
			t.Errorf("%q answered, %v", got, err)
		}
	}
}

// What must not be sent twice is never sent on a connection that may be dead.
func TestFetch_UnsafeRequestsTakeNewConnections(t *testing.T) {
	c := client(t)
	first := startNode(t, testkit.FreeAddr(t), "first")
	post := func() *proxy.Request {
		return &proxy.Request{Method: "POST", Host: "site.example", Target: "/", Body: strings.NewReader("x"), Length: 1}
	}
	for _, r := range []*proxy.Request{get("/"), post()} {
		if _, err := ask(t, c, first.addr, r); err != nil {
			t.Fatal(err)
		}
	}
	first.stop()
	startNode(t, first.addr, "second")
	if got, err := ask(t, c, first.addr, post()); got != "second" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// fasthttp takes a body that is cut between two chunks for whole, and its connection for usable.
func TestFetch_CutBodyEndsItsConnection(t *testing.T) {
	c := client(t)
	cut := testkit.Raw(t, func(conn net.Conn, _ *http.Request) {
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
	})
	if got, err := ask(t, c, cut, get("/")); err == nil || errors.Is(err, proxy.ErrUnreachable) {
		t.Fatalf("%q, %v; want a response that is cut", got, err)
	}
	if n := c.host(hostKey{addr: cut, limit: forTier(time.Second)}).ConnsCount(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}

// A client's body that breaks is not the node's fault.
func TestFetch_BrokenRequestBody(t *testing.T) {
	n := startNode(t, "127.0.0.1:0", "node")
	r := &proxy.Request{Method: "POST", Host: "site.example", Target: "/", Body: broken{}, Length: -1}
	if _, err := ask(t, client(t), n.addr, r); !errors.Is(err, proxy.ErrRequestBody) || errors.Is(err, proxy.ErrUnreachable) {
		t.Errorf("%v, want ErrRequestBody and not ErrUnreachable", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, proxy.ErrRequestBody }
