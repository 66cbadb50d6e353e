package runner

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// one is a net.Listener of one connection; Accept ends when that does.
type one struct {
	conn net.Conn
	once sync.Once
	done chan struct{}
}

func (l *one) Accept() (conn net.Conn, err error) {
	l.once.Do(func() { conn = l.conn })
	if conn != nil {
		return conn, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *one) Close() error   { return nil }
func (l *one) Addr() net.Addr { return &net.TCPAddr{} }

// overPipe serves one connection, to which the client writes the parts with pauses before all but the first, and
// returns the first reply and what is behind it up to the connection's end.
func overPipe(t *testing.T, s Server, pause time.Duration, parts ...string) (status int, body, rest string) {
	t.Helper()
	client, server := net.Pipe()
	l := &one{conn: server, done: make(chan struct{})}
	srv := s.server()
	var ended sync.WaitGroup
	defer ended.Wait()
	defer close(l.done)
	defer client.Close()
	ended.Go(func() { _ = srv.Serve(l) }) // ends with the listener
	ended.Go(func() {
		for i, part := range parts {
			if i > 0 {
				time.Sleep(pause)
			}
			if _, err := io.WriteString(client, part); err != nil {
				return // the reply says why
			}
		}
	})
	if err := client.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(client)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatalf("no reply: %v", err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	behind, err := io.ReadAll(reader)
	if err != nil {
		t.Errorf("the connection stays open: %v", err)
	}
	return response.StatusCode, string(text), string(behind)
}

// net/http reads what a handler left of a body before it sends the reply.
func TestServer_RefusalDoesNotWaitForABodyThatNeverComes(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil { // as the origin does
			t.Error(err)
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	for _, method := range []string{http.MethodPut, http.MethodGet} {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			status, _, _ := overPipe(t, Server{Handler: refuse}, 0, method+" / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
			// Behind the reply net/http waits for half a second, for the client to read it.
			if took := time.Since(started); status != http.StatusUnauthorized || took > DefaultBodyTimeout+time.Second {
				t.Errorf("%s: %d after %v", method, status, took)
			}
		})
	}
}

// A handler that watches its body's progress by itself may take as long as that takes, and then more.
func TestServer_HandlerExtendsTheTimeOfItsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var over error
		intake := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, buffer := 0, make([]byte, 100)
			for {
				if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
					t.Error(err)
				}
				k, err := r.Body.Read(buffer)
				n += k
				if err != nil {
					break
				}
			}
			time.Sleep(10 * time.Minute)
			over = r.Context().Err()
			fmt.Fprint(w, n)
		})
		parts := []string{"PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 50\r\n\r\n"}
		for range 5 {
			parts = append(parts, strings.Repeat("x", 10))
		}
		status, body, _ := overPipe(t, Server{Handler: intake}, 20*time.Second, parts...)
		if status != http.StatusOK || body != "50" || over != nil {
			t.Errorf("%d %q; the request's context: %v", status, body, over)
		}
	})
}

// Without a body there is no deadline that could end a request that takes long.
func TestServer_LongRepliesAreNotEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var over error
		slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour / 2)
			over = r.Context().Err()
		})
		status, _, _ := overPipe(t, Server{Handler: slow}, 0, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		if status != http.StatusOK || over != nil {
			t.Errorf("%d; the request's context: %v", status, over)
		}
	})
}
