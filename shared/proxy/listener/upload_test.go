package listener

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tiercache/shared/proxy"
)

// upload sends a head and then parts of 10 kB with pauses before them, and returns the reply's status and text.
func upload(t *testing.T, head string, parts int, pause time.Duration) (status int, text string) {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	l := New(Config{}, func(_ context.Context, x proxy.Exchange) {
		body, _ := x.Body()
		n, err := io.Copy(io.Discard, body)
		if err != nil {
			x.Reply(400, nil, proxy.Payload{Bytes: []byte("broke off")})
			return
		}
		x.Reply(200, nil, proxy.Payload{Bytes: strconv.AppendInt(nil, n, 10)})
	}, slog.New(slog.DiscardHandler))
	l.base = t.Context()
	var ended sync.WaitGroup
	ended.Go(func() { _ = l.server.ServeConn(newConn(server, limitsOf(false))) }) // its reply is looked at
	ended.Go(func() {
		for i := range parts {
			out := make([]byte, 10_000)
			if i == 0 {
				out = append([]byte(head), out...)
			} else {
				time.Sleep(pause)
			}
			if _, err := client.Write(out); err != nil {
				return // what the server makes of it is the reply
			}
		}
	})
	response, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	ended.Wait()
	return response.StatusCode, string(body)
}

// An upload may take as long as it takes, if it does not stall.
func TestListener_UploadsMayTakeLong(t *testing.T) {
	for name, head := range map[string]string{
		"small": "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n",
		"large": "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			parts := 20
			if name == "large" {
				parts = 200
			}
			if status, text := upload(t, head, parts, 20*time.Second); status != 200 || text != strconv.Itoa(parts*10_000) {
				t.Errorf("%s: %d %q", name, status, text)
			}
		})
	}
}

func TestListener_StalledUploadsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, text := upload(t, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n", 200, readStall+time.Second)
		if status != 400 || text != "broke off" {
			t.Errorf("%d %q", status, text)
		}
	})
}

// The part that fasthttp reads ahead of the handler has a limit of its own, whatever the head took.
func TestListener_BodyHasTimeBehindASlowHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		l := New(Config{}, echo, slog.New(slog.DiscardHandler))
		l.base = t.Context()
		var ended sync.WaitGroup
		defer ended.Wait()
		defer client.Close()
		ended.Go(func() { _ = l.server.ServeConn(newConn(server, limitsOf(false))) }) // its reply is looked at
		ended.Go(func() {
			for _, part := range []string{"POST / HTTP/1.1\r\nHost: h\r\n", "Content-Length: 3\r\n\r\n", "abc"} {
				if _, err := io.WriteString(client, part); err != nil {
					return
				}
				time.Sleep(20 * time.Second)
			}
		})
		response, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(response.Body); string(text) != "POST h / 3/3" {
			t.Errorf("%d %q", response.StatusCode, text)
		}
	})
}
