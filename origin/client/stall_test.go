package client

import (
	"bufio"
	"context"
	"errors"
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

// talk runs use, in time that passes by itself, against an origin that does what serve does with each connection.
func talk(t *testing.T, serve func(net.Conn, *bufio.Reader), use func(t *testing.T, c *Client)) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New("http://origin.test", "tct_x", 2)
		if err != nil {
			t.Fatal(err)
		}
		var serving sync.WaitGroup
		c.http.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			serving.Go(func() {
				defer far.Close()
				serve(far, bufio.NewReaderSize(far, 16))
			})
			return near, nil
		}
		use(t, c)
		c.Close()
		serving.Wait()
	})
}

// head reads the request's head.
func head(r *bufio.Reader) {
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == "\r\n" {
			return
		}
	}
}

// untilGone waits for the client to close the connection.
func untilGone(r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }

const stored = "HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{\"host\":\"h\"}"

func put(c *Client, body io.Reader, size int64) error {
	_, err := c.Put(context.Background(), PutRequest{Host: "h", Path: "/x", Body: body, Size: size})
	return err
}

func TestStall_OriginThatTakesNoMoreOfABody(t *testing.T) {
	var gone chan struct{}
	talk(t, func(_ net.Conn, r *bufio.Reader) {
		head(r)
		_, _ = io.CopyN(io.Discard, r, 100_000)
		<-gone
	}, func(t *testing.T, c *Client) {
		gone = make(chan struct{}) // within the time that passes by itself
		defer close(gone)
		began := time.Now()
		err := put(c, strings.NewReader(strings.Repeat("x", 1<<20)), 1<<20)
		if took := time.Since(began); !errors.Is(err, ErrStalled) || took != stallTime {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestStall_SlowTransfersGoOn(t *testing.T) {
	const size = 300_000
	talk(t, func(conn net.Conn, r *bufio.Reader) {
		head(r)
		for range size / 10_000 { // an origin that takes its time
			time.Sleep(stallTime / 5)
			if _, err := io.CopyN(io.Discard, r, 10_000); err != nil {
				return
			}
		}
		time.Sleep(headerTimeout - time.Second) // such as for receipts
		head, body, _ := strings.Cut(stored, "\r\n\r\n")
		if _, err := io.WriteString(conn, head+"\r\n\r\n"); err != nil {
			return
		}
		for _, b := range []byte(body) {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(stallTime - time.Second)
		}
		untilGone(r)
	}, func(t *testing.T, c *Client) {
		if err := put(c, strings.NewReader(strings.Repeat("x", size)), size); err != nil {
			t.Error(err)
		}
	})
}

// typed is somebody who thinks for an hour before each line.
type typed struct{ lines int }

func (s *typed) Read(p []byte) (int, error) {
	time.Sleep(time.Hour)
	if s.lines--; s.lines < 0 {
		return 0, io.EOF
	}
	return copy(p, "line\n"), nil
}

func TestStall_SourceMayTakeItsTime(t *testing.T) {
	talk(t, func(conn net.Conn, r *bufio.Reader) {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		got, err := io.ReadAll(req.Body)
		if err == nil && string(got) == "line\nline\n" {
			_, _ = io.WriteString(conn, stored)
		}
		untilGone(r)
	}, func(t *testing.T, c *Client) {
		if err := put(c, &typed{lines: 2}, -1); err != nil {
			t.Error(err)
		}
	})
}

func TestStall_ReplyThatStops(t *testing.T) {
	for _, status := range []string{"200 OK", "503 Service Unavailable"} {
		talk(t, func(conn net.Conn, r *bufio.Reader) {
			head(r)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Length: 1000\r\n\r\n{", status)
			untilGone(r)
		}, func(t *testing.T, c *Client) {
			began := time.Now()
			resp, err := c.Get(context.Background(), "h", "/x", 0)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				if !errors.Is(err, ErrStalled) {
					t.Errorf("%s: %v", status, err)
				}
				resp.Body.Close()
			}
			if took := time.Since(began); err == nil || took != stallTime {
				t.Errorf("%s: %v after %v", status, err, took)
			}
		})
	}
}

func TestStall_ReaderMayTakeItsTime(t *testing.T) {
	talk(t, func(conn net.Conn, r *bufio.Reader) {
		head(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 100_000))
		untilGone(r)
	}, func(t *testing.T, c *Client) {
		resp, err := c.Get(context.Background(), "h", "/x", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for range 10 {
			time.Sleep(time.Hour)
			if _, err := io.CopyN(io.Discard, resp.Body, 10_000); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestStall_OriginThatNeverAnswersIsUnreachable(t *testing.T) {
	talk(t, func(_ net.Conn, r *bufio.Reader) { untilGone(r) }, func(t *testing.T, c *Client) {
		began := time.Now()
		err := put(c, strings.NewReader("x"), 1)
		if took := time.Since(began); !errors.Is(err, ErrUnreachable) && !errors.Is(err, ErrStalled) || took != headerTimeout {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// A request's own time for the answer counts from when all was sent, however long that took, and when nothing is taken,
// from the start.
func TestTimeout_CountsFromWhenAllWasSent(t *testing.T) {
	for what, c := range map[string]struct {
		took func(*bufio.Reader)
		want time.Duration
	}{
		"nothing is taken":   {func(*bufio.Reader) {}, 3 * time.Second},
		"no answer is given": {func(r *bufio.Reader) { head(r) }, 3*time.Hour + 3*time.Second},
	} {
		talk(t, func(_ net.Conn, r *bufio.Reader) {
			c.took(r)
			if c.want > time.Hour {
				untilGone(r)
				return
			}
			time.Sleep(time.Minute)
		}, func(t *testing.T, client *Client) {
			began := time.Now()
			_, err := client.Put(context.Background(), PutRequest{Host: "h", Path: "/x", Body: &typed{lines: 2}, Size: 10, Timeout: 3 * time.Second})
			if took := time.Since(began); !errors.Is(err, ErrTimeout) || took != c.want {
				t.Errorf("%s: %v after %v", what, err, took)
			}
		})
	}
}
