package testkit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// pollInterval is how often Eventually asks.
const pollInterval = 10 * time.Millisecond

// Eventually asks condition until it returns nil; when timeout passes first, the test fails with what it
// said last. It replaces sleeps: the test goes on as soon as the condition holds.
func Eventually(t testing.TB, timeout time.Duration, condition func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := eventually(ctx, condition); err != nil {
		t.Fatalf("not within %v: %v", timeout, err)
	}
}

func eventually(ctx context.Context, condition func() error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

// InOneOf calls round until it returns nil; when each of that many rounds returns an error, the test fails with
// the last one. It is for what is promised in real time, which a busy machine breaks now and then and a fault in
// each round. What may never be is for the round to fail the test with.
func InOneOf(t testing.TB, rounds int, round func() error) {
	t.Helper()
	var err error
	for range rounds {
		if err = round(); err == nil || t.Failed() {
			return
		}
	}
	t.Errorf("in none of %d rounds; in the last one: %v", rounds, err)
}

// Free ports are taken from below the range that the kernel gives to outgoing connections (32768 on), so
// that none of those takes one between FreePort and its use. A node's admin listener has its port plus
// adminDistance: those lie below that range too, and above all other ports that are given.
const (
	firstPort     = 11_000
	lastPort      = 21_000
	adminDistance = 10_000
	// portStride has no factor in common with how many ports there are, so that all of them come, and
	// is large, so that those of one platform, which lie close together, do not.
	portStride = 7_919
)

// lastTried is the last one that was tried, counted from firstPort; it begins anywhere, for tests of other
// packages run at the same time. None is given twice as long as there are others: one that was given and is
// not listened on yet looks free.
var lastTried = sync.OnceValue(func() *atomic.Int64 {
	n := new(atomic.Int64)
	n.Store(rand.Int64N(lastPort - firstPort))
	return n
})

// FreePort is a port on 127.0.0.1 that nobody listens on, and neither on port+10000.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func freePort() (int, error) {
	for range lastPort - firstPort {
		port := firstPort + int(lastTried().Add(portStride)%(lastPort-firstPort))
		if canListen(port) && canListen(port+adminDistance) {
			return port, nil
		}
	}
	return 0, errors.New("no free port found")
}

func canListen(port int) bool {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
