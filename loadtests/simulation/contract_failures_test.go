package simulation

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"tiercache/shared/proxy"
)

func nobodyIsThere(t *testing.T, with hops) {
	to, addr := with.ask(t), with.nowhere(t)
	_, fetched := to.Fetch(t.Context(), addr, time.Second, getting("/"))
	for what, err := range map[string]error{"fetch": fetched, "ping": to.Ping(t.Context(), addr, time.Second)} {
		if !errors.Is(err, proxy.ErrUnreachable) || !errors.Is(err, proxy.ErrConnect) || errors.Is(err, proxy.ErrTimeout) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func endsWhileItAnswers(t *testing.T, with hops) {
	asked, gate := make(chan struct{}, 1), make(chan struct{})
	defer close(gate)
	addr := with.serve(t, func(_ context.Context, x proxy.Exchange) {
		asked <- struct{}{}
		<-gate
		x.Reply(200, nil, proxy.Payload{})
	})
	to, failed := with.ask(t), make(chan error, 1)
	go func() {
		_, err := to.Fetch(t.Context(), addr, 10*time.Second, getting("/"))
		failed <- err
	}()
	next(t, asked)
	with.kill(t)
	if err := next(t, failed); !errors.Is(err, proxy.ErrUnreachable) || errors.Is(err, proxy.ErrTimeout) {
		t.Errorf("%v", err)
	}
	if _, err := to.Fetch(t.Context(), addr, 10*time.Second, getting("/")); !errors.Is(err, proxy.ErrUnreachable) || !errors.Is(err, proxy.ErrConnect) {
		t.Errorf("then: %v", err)
	}
}

func endsWithinTheBody(t *testing.T, with hops) {
	body := newStream()
	defer close(body.parts)
	addr := with.serve(t, func(_ context.Context, x proxy.Exchange) {
		x.Reply(200, nil, proxy.Payload{Stream: body, Length: int64(2 * len(part()))})
	})
	body.parts <- part()
	response := fetched(t, with.ask(t), addr, getting("/"))
	begun(t, response.Body)
	with.kill(t)
	if rest, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("it is whole, with %d bytes more", len(rest))
	}
}

func timeouts(t *testing.T, with hops) {
	const short = 500 * time.Millisecond
	gate, body := make(chan struct{}), newStream()
	defer close(gate)
	defer close(body.parts)
	body.parts <- part()
	addr := with.serve(t, func(_ context.Context, x proxy.Exchange) {
		if x.Target() == "/body" {
			x.Reply(200, nil, proxy.Payload{Stream: body, Length: int64(2 * len(part()))})
			return
		}
		<-gate
		x.Reply(200, nil, proxy.Payload{})
	})
	to := with.ask(t)
	if _, err := to.FetchOrigin(t.Context(), addr, short, getting("/head")); !errors.Is(err, proxy.ErrTimeout) || errors.Is(err, proxy.ErrUnreachable) {
		t.Errorf("the origin's head: %v", err)
	}
	response, err := to.FetchOrigin(t.Context(), addr, short, getting("/body"))
	if err != nil {
		t.Fatal(err)
	}
	begun(t, response.Body)
	if rest, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("the origin's body is whole, with %d bytes more", len(rest))
	}
	_ = response.Body.Close() // of what is broken
	if _, err := to.Fetch(t.Context(), addr, short, getting("/head")); !errors.Is(err, proxy.ErrTimeout) || errors.Is(err, proxy.ErrUnreachable) {
		t.Errorf("a node's head: %v", err)
	}
}

func requestEnds(t *testing.T, with hops) {
	body := newStream()
	defer close(body.parts)
	addr := with.serve(t, func(_ context.Context, x proxy.Exchange) {
		x.Reply(200, nil, proxy.Payload{Stream: body, Length: int64(2 * len(part()))})
	})
	body.parts <- part()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	response, err := with.ask(t).Fetch(ctx, addr, 10*time.Second, getting("/"))
	if err != nil {
		t.Fatal(err)
	}
	begun(t, response.Body)
	cancel()
	if rest, err := io.ReadAll(response.Body); err == nil || isTimeout(err) {
		t.Errorf("%d bytes more, and then %v", len(rest), err)
	}
	_ = response.Body.Close() // of what is broken
}

// isTimeout reports whether a read ended because nothing came for long.
func isTimeout(err error) bool {
	return errors.Is(err, proxy.ErrTimeout) || errors.Is(err, os.ErrDeadlineExceeded)
}

// endless is a body without an end.
type endless struct{ *stream }

func (endless) Read(into []byte) (int, error) { return len(into), nil }

func readerLeaves(t *testing.T, with hops) {
	body, replied := endless{newStream()}, make(chan struct{})
	waits := newStream()
	defer close(waits.parts)
	addr := with.serve(t, func(_ context.Context, x proxy.Exchange) {
		if x.Target() == "/waits" {
			x.Reply(200, nil, proxy.Payload{Stream: waits, Length: 8})
			return
		}
		x.Reply(200, nil, proxy.Payload{Stream: body, Length: -1, Seal: true})
		close(replied)
	})
	to := with.ask(t)
	response := fetched(t, to, addr, getting("/"))
	if _, err := io.ReadFull(response.Body, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // of what has no end
	next(t, body.closed)
	if _, err := response.Body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("after it was closed: %v", err)
	}
	// One that waits for the next part is let go.
	response = fetched(t, to, addr, getting("/waits"))
	read := make(chan error, 1)
	go func() {
		_, err := response.Body.Read(make([]byte, 1))
		read <- err
	}()
	_ = response.Body.Close() // likewise
	if err := next(t, read); err == nil || errors.Is(err, io.EOF) || isTimeout(err) {
		t.Errorf("closed while it was read: %v", err)
	}
}

func pingsAndGivingUp(t *testing.T, with hops) {
	asked, gate := make(chan struct{}, 1), make(chan struct{})
	defer close(gate)
	addr := with.serve(t, func(_ context.Context, x proxy.Exchange) {
		if x.Method() == "GET" { // not a ping
			asked <- struct{}{}
			<-gate
		}
		x.Reply(200, nil, proxy.Payload{})
	})
	to, failed := with.ask(t), make(chan error, 1)
	go func() {
		_, err := to.Fetch(t.Context(), addr, time.Minute, getting("/"))
		failed <- err
	}()
	next(t, asked)
	if err := to.Ping(t.Context(), addr, patience); err != nil {
		t.Errorf("while it waits for somebody: %v", err)
	}
	with.hang(t)
	if err := to.Ping(t.Context(), addr, 50*time.Millisecond); !errors.Is(err, proxy.ErrTimeout) {
		t.Errorf("while it hangs: %v", err)
	}
	to.GiveUp("10.9.9.9:1") // somebody else
	to.GiveUp(addr)
	if err := next(t, failed); !errors.Is(err, proxy.ErrUnreachable) || errors.Is(err, proxy.ErrTimeout) {
		t.Errorf("given up: %v", err)
	}
}
