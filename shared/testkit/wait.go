package testkit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
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

// Free ports are taken from below the range that the kernel gives to outgoing connections (32768 on), so
// that none of those takes one between FreePort and its use, and low enough that the port plus 10,000,
// a node's admin listener, is below it too.
const (
	firstPort = 11_000
	lastPort  = 22_700
	portTries = 100
)

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
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if canListen(port) && canListen(port+10_000) {
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
