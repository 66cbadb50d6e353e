package tier

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tiercache/shared/proxy"
	"tiercache/shared/testkit"
)

// stuck is a node that takes requests and says so, and answers each when it is told to: with all, or with a head and
// the body's first half.
type stuck struct {
	addr  string
	taken chan string // targets
	half  chan struct{}
	all   chan struct{}
}

func startStuck(t *testing.T) *stuck {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &stuck{addr: l.Addr().String(), taken: make(chan string, 10), half: make(chan struct{}), all: make(chan struct{})}
	serve := func(conn net.Conn) {
		defer conn.Close()
		for reader := bufio.NewReader(conn); ; {
			r, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			s.taken <- r.RequestURI
			select {
			case <-s.half:
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
				<-s.all
				fmt.Fprint(conn, "half")
			case <-s.all:
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalfhalf")
			}
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
	return s
}

// outcome is what a request yields.
type outcome struct {
	body string
	err  error
}

func fetch(ctx context.Context, c *Client, addr string, r *proxy.Request) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		response, err := c.Fetch(ctx, addr, time.Minute, r)
		if err != nil {
			done <- outcome{"", err}
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		done <- outcome{string(body), err}
	}()
	return done
}

func TestGiveUp_EndsWhatWaitsForAResponse(t *testing.T) {
	c, s := client(t), startStuck(t)
	other := startStuck(t)
	waiting := fetch(t.Context(), c, s.addr, get("/a"))
	elsewhere := fetch(t.Context(), c, other.addr, get("/b"))
	unsafe := fetch(t.Context(), c, s.addr, &proxy.Request{Method: "DELETE", Host: "h", Target: "/c"})
	for range 2 {
		<-s.taken
	}
	<-other.taken
	c.GiveUp(s.addr)
	if got := <-waiting; !errors.Is(got.err, proxy.ErrUnreachable) || errors.Is(got.err, proxy.ErrTimeout) {
		t.Errorf("%q, %v", got.body, got.err)
	}
	select {
	case got := <-elsewhere:
		t.Errorf("another node was given up: %v", got.err)
	case got := <-unsafe:
		t.Errorf("what may not be sent again was given up: %v", got.err)
	default:
	}
	close(s.all)
	close(other.all)
	for _, ch := range []<-chan outcome{elsewhere, unsafe, fetch(t.Context(), c, s.addr, get("/again"))} {
		if got := <-ch; got.body != "halfhalf" || got.err != nil {
			t.Errorf("%q, %v", got.body, got.err)
		}
	}
}

// A body on its way has the service's time, and a connection that is kept idle is not harmed.
func TestGiveUp_LeavesBodiesAndIdleConnections(t *testing.T) {
	c, s := client(t), startStuck(t)
	body := fetch(t.Context(), c, s.addr, get("/a"))
	<-s.taken
	s.half <- struct{}{}
	idle := startNode(t, "127.0.0.1:0", "node")
	if _, err := ask(t, c, idle.addr, get("/")); err != nil {
		t.Fatal(err)
	}
	h := c.host(hostKey{addr: s.addr, limit: forTier(time.Minute)})
	testkit.Eventually(t, 20*time.Second, func() error { // its head was read
		h.conns.mu.Lock()
		defer h.conns.mu.Unlock()
		for conn := range h.conns.mu.open {
			conn.mu.Lock()
			defer conn.mu.Unlock()
			if !conn.mu.waiting {
				return nil
			}
		}
		return errors.New("it still waits")
	})
	c.GiveUp(s.addr)
	c.GiveUp(idle.addr)
	close(s.all)
	if got := <-body; got.body != "halfhalf" || got.err != nil {
		t.Errorf("%q, %v", got.body, got.err)
	}
	idle.mu.Lock()
	before := len(idle.conns)
	idle.mu.Unlock()
	if got, err := ask(t, c, idle.addr, get("/")); got != "node" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	idle.mu.Lock()
	defer idle.mu.Unlock()
	if len(idle.conns) != before {
		t.Error("a connection that was idle is not used any more")
	}
}

func TestFetch_ClosedConnectionsAreForgotten(t *testing.T) {
	c := client(t)
	addr := testkit.Raw(t, func(conn net.Conn, _ *http.Request) {
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
	})
	for range 3 {
		if got, err := ask(t, c, addr, get("/")); err != nil || !strings.HasPrefix(got, "ok") {
			t.Fatalf("%q, %v", got, err)
		}
	}
	h := c.host(hostKey{addr: addr, limit: forTier(time.Second)})
	h.conns.mu.Lock()
	defer h.conns.mu.Unlock()
	if n := len(h.conns.mu.open); n != 0 {
		t.Errorf("%d closed connections are remembered", n)
	}
}

// The origin waits for nobody, so a head that does not come is given up before the service's timeout.
func TestFetchOrigin_TheHeadHasAnEarlierLimit(t *testing.T) {
	c, s := client(t), startStuck(t)
	early := make(chan error, 1)
	go func() {
		_, err := c.fetch(t.Context(), s.addr, patience{head: 500 * time.Millisecond, stall: time.Minute}, get("/a"))
		early <- err
	}()
	select {
	case err := <-early:
		if !errors.Is(err, proxy.ErrTimeout) {
			t.Errorf("%v, want ErrTimeout", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the head has as much time as each part of the body")
	}
	conn := c.host(hostKey{addr: s.addr, limit: patience{head: originHead, stall: time.Minute}})
	done := make(chan error, 1)
	go func() {
		response, err := c.FetchOrigin(t.Context(), s.addr, time.Minute, get("/b"))
		if err == nil {
			response.Body.Close()
		}
		done <- err
	}()
	<-s.taken
	<-s.taken
	if n := conn.ConnsCount(); n != 1 {
		t.Errorf("%d connections wait %s for a head", n, originHead)
	}
	close(s.all)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
