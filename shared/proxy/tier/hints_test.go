package tier

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/valyala/fasthttp"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
	"tiercache/shared/testkit"
)

const (
	hintHead  = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
	finalHead = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
)

// hinted is a GET whose hints go to a channel, as their Link.
func hinted() (*proxy.Request, chan string) {
	links := make(chan string, 100)
	r := get("/")
	r.Hint = func(f httpcache.Fields) { links <- f.Value("Link") }
	return r, links
}

// drained are what a channel holds.
func drained(links chan string) (list []string) {
	close(links)
	for l := range links {
		list = append(list, l)
	}
	return list
}

// A hint is handed over while the node still works on the response.
func TestHints_ComeBeforeTheResponse(t *testing.T) {
	proceed := make(chan struct{})
	addr := testkit.Raw(t, func(c net.Conn, _ *http.Request) {
		fmt.Fprint(c, hintHead)
		<-proceed
		fmt.Fprint(c, "HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\nok")
	})
	r, links := hinted()
	done := fetchAll(t, addr, r)
	if got := <-links; got != "</a.css>" {
		t.Errorf("hint %q", got)
	}
	close(proceed)
	got := <-done
	if got.err != nil || got.body != "ok" || got.header.Value("X") != "y" || got.header.Has("Link") {
		t.Errorf("%+v", got)
	}
	if rest := drained(links); !slices.Equal(rest, []string{"</b.css>"}) {
		t.Errorf("then %q", rest)
	}
}

// received is a response, read.
type received struct {
	outcome
	header httpcache.Fields
}

func fetchAll(t *testing.T, addr string, r *proxy.Request) <-chan received {
	c := client(t)
	done := make(chan received, 1)
	go func() {
		response, err := c.Fetch(context.Background(), addr, 10*time.Second, r)
		if err != nil {
			done <- received{outcome: outcome{"", err}}
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		done <- received{outcome{string(body), err}, response.Header}
	}()
	return done
}

// Heads may arrive in any parts, and what looks like one in a body is body.
func TestHints_HeadsInParts(t *testing.T) {
	raw := "HTTP/1.1 100 Continue\r\n\r\n" + hintHead + "HTTP/1.1 102 Processing\r\nLink: </no>\r\n\r\n" + hintHead +
		fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(hintHead)) + hintHead
	for name, source := range map[string]io.Reader{
		"whole": strings.NewReader(raw), "bytes": iotest.OneByteReader(strings.NewReader(raw)), "halves": iotest.HalfReader(strings.NewReader(raw)),
	} {
		reader := bufio.NewReaderSize(source, maxHeadBytes)
		response := fasthttp.AcquireResponse()
		hints := 0
		if err := readHead(reader, &progressConn{}, response, func(httpcache.Fields) { hints++ }); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rest, err := io.ReadAll(reader)
		if err != nil || string(rest) != hintHead || response.StatusCode() != 200 || hints != 2 || response.Header.Peek("Link") != nil {
			t.Errorf("%s: status %d, %d hints, rest %q, %v", name, response.StatusCode(), hints, rest, err)
		}
		fasthttp.ReleaseResponse(response)
	}
}

// RFC 9112, 6.3: an interim response has no content, whatever it says. What a node claims to be some is the next head
// or no HTTP; nothing that is left over answers another request.
func TestHints_InterimResponsesHaveNoContent(t *testing.T) {
	for name, c := range map[string]struct{ raw, body string }{
		"length":             {"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + finalHead + "ok", "ok"},
		"length and bytes":   {"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello" + finalHead + "ok", ""},
		"length and another": {"HTTP/1.1 103 Early Hints\r\nContent-Length: 40\r\n\r\n" + finalHead + "in" + finalHead + "ok", "in"},
		"chunked":            {"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + finalHead + "ok", "ok"},
		"chunked and chunks": {"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + finalHead + "ok", ""},
		"close":              {"HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n" + finalHead + "ok", "ok"},
		"more than it says":  {finalHead + "in" + finalHead + "ok", "in"},
		"never the final":    {hintHead, ""},
		"other protocol":     {hintHead + "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nx", ""},
	} {
		addr := testkit.Raw(t, func(conn net.Conn, _ *http.Request) { fmt.Fprint(conn, c.raw) })
		cl := client(t)
		r, _ := hinted()
		got, err := ask(t, cl, addr, r)
		if got != c.body || (err == nil) != (c.body != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if n := cl.host(hostKey{addr: addr, limit: forTier(time.Second)}).ConnsCount(); n != 0 && c.body != "ok" {
			t.Errorf("%s: %d connections are kept", name, n)
		}
	}
}

// answering is a node that answers the n-th request of each connection with what reply says, in one write.
func answering(t *testing.T, reply func(n int) string) (addr string) {
	t.Helper()
	return testkit.Raw(t, func(conn net.Conn, _ *http.Request) {
		for reader, n := bufio.NewReader(conn), 0; ; n++ {
			if _, err := io.WriteString(conn, reply(n)); err != nil {
				return
			}
			if _, err := http.ReadRequest(reader); err != nil {
				return
			}
		}
	})
}

// A connection on which hints came is kept like any other.
func TestHints_ConnectionsAreKept(t *testing.T) {
	addr := answering(t, func(n int) string {
		return fmt.Sprintf("%sHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", hintHead, n)
	})
	c := client(t)
	for n := range 3 {
		r, links := hinted()
		if got, err := ask(t, c, addr, r); got != fmt.Sprint(n) || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if got := drained(links); len(got) != 1 {
			t.Errorf("hints %q", got)
		}
	}
}

func TestHints_EndlessInterimResponses(t *testing.T) {
	addr := testkit.Raw(t, func(conn net.Conn, _ *http.Request) {
		for {
			if _, err := io.WriteString(conn, hintHead); err != nil {
				return
			}
		}
	})
	r, _ := hinted()
	if _, err := ask(t, client(t), addr, r); !errors.Is(err, proxy.ErrProtocol) || errors.Is(err, proxy.ErrUnreachable) {
		t.Errorf("%v, want ErrProtocol", err)
	}
}

// A node that has sent a hint still owes the response: it can be given up, the limit for the head is not put off, and
// the request is not sent again on account of a connection that was kept.
func TestHints_AreNoResponse(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	hinting := func(conn net.Conn) { fmt.Fprint(conn, hintHead); <-hold }
	t.Run("given up", func(t *testing.T) {
		addr, _ := misbehaving(t, hinting)
		c := client(t)
		r, links := hinted()
		r.Target = "/x"
		done := fetch(t.Context(), c, addr, r)
		<-links
		testkit.Eventually(t, 10*time.Second, func() error {
			c.GiveUp(addr)
			select {
			case got := <-done:
				if !errors.Is(got.err, proxy.ErrUnreachable) || errors.Is(got.err, proxy.ErrTimeout) {
					t.Errorf("%q, %v", got.body, got.err)
				}
				return nil
			default:
				return errors.New("it still waits")
			}
		})
	})
	t.Run("late", func(t *testing.T) {
		addr, _ := misbehaving(t, hinting)
		r, _ := hinted()
		r.Target = "/x"
		if _, err := client(t).fetch(t.Context(), addr, patience{head: 200 * time.Millisecond, stall: time.Hour}, r); !errors.Is(err, proxy.ErrTimeout) {
			t.Errorf("%v, want ErrTimeout", err)
		}
	})
	t.Run("not repeated", func(t *testing.T) {
		addr, asked := misbehaving(t, func(conn net.Conn) { fmt.Fprint(conn, hintHead) })
		c := client(t)
		if got, err := ask(t, c, addr, get("/")); got != "ok" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		r, _ := hinted()
		r.Target = "/x"
		if _, err := ask(t, c, addr, r); !errors.Is(err, proxy.ErrUnreachable) || asked.Load() != 1 {
			t.Errorf("asked %d times, %v", asked.Load(), err)
		}
	})
}

// A body that is closed while it is read gives up its connection, and only that.
func TestBody_CloseInterruptsARead(t *testing.T) {
	c, s := client(t), startStuck(t)
	response := make(chan *proxy.Response, 1)
	go func() {
		r, err := c.Fetch(t.Context(), s.addr, time.Minute, get("/a"))
		if err != nil {
			t.Error(err)
		}
		response <- r
	}()
	<-s.taken
	s.half <- struct{}{}
	r := <-response
	if _, err := io.ReadFull(r.Body, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := r.Body.Read(make([]byte, 4))
		read <- err
	}()
	r.Body.Close()
	if err := <-read; err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read: %v", err)
	}
	if n := c.host(hostKey{addr: s.addr, limit: forTier(time.Minute)}).ConnsCount(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
	close(s.all)
}

// A connection that the end of a context may still close is not given to anybody else.
func TestBody_ContextThatEndsLate(t *testing.T) {
	n := startNode(t, "127.0.0.1:0", "node")
	c := client(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := c.Fetch(ctx, n.addr, time.Second, get("/"))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != "node" {
		t.Fatalf("%q, %v", body, err)
	}
	cancel()
	r.Body.Close()
	if n := c.host(hostKey{addr: n.addr, limit: forTier(time.Second)}).ConnsCount(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}
