package local

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"tiercache/shared/testkit"
)

// `up 2>&1 | tee log`: Ctrl-C ends tee as well, and what up says from then on reaches nobody.
func TestRun_DrainsWhenTheReaderOfItsOutputIsGone(t *testing.T) {
	cfg := settings(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := prepared(t, cfg)
	p.Stdout, p.Stderr = writer, writer
	p.begin()
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(&p.out, reader) }() // ends when the reader is closed
	p.awaitOutput("Ctrl-C stops everything")
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGINT)
	if err := p.wait(); err != nil {
		t.Fatalf("it ended with %v", err)
	}
	endedInOrder(t, cfg)
	nobodyListens(t, cfg)
}

// The terminal was closed, or the connection to it broke.
func TestRun_DrainsOnHangUp(t *testing.T) {
	// Ignored, as it is when the tests run under nohup, it would be inherited.
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGHUP)
	defer signal.Stop(received)
	cfg := settings(t)
	p := start(t, cfg)
	p.awaitOutput("Ctrl-C stops everything")
	p.signal(syscall.SIGHUP)
	if err := p.wait(); err != nil {
		t.Fatalf("it ended with %v", err)
	}
	endedInOrder(t, cfg)
	nobodyListens(t, cfg)
}

func TestRun_SecondCtrlCLeavesNoProcess(t *testing.T) {
	cfg := settings(t)
	p := start(t, cfg, stuckVariable+"=edge-1")
	p.awaitOutput("Ctrl-C stops everything")
	p.signal(syscall.SIGINT)
	testkit.Eventually(t, 30*time.Second, func() error {
		_ = p.Process.Signal(syscall.SIGINT) // it may be gone; too early it changes nothing
		if said := p.out.String(); !strings.Contains(said, "killed by a second signal") {
			return errors.New("not killed yet")
		}
		return nil
	})
	if p.wait() == nil {
		t.Error("it ended as if all had been drained")
	}
	testkit.Eventually(t, 30*time.Second, func() error {
		plan := NewPlan(&cfg)
		return errors.Join(checkFree(plan.Ports())...)
	})
}

func checkFree(uses []portUse) (busy []error) {
	for _, use := range uses {
		if conn, err := net.DialTimeout("tcp", use.Addr, time.Second); err == nil {
			conn.Close()
			busy = append(busy, fmt.Errorf("%s listens", use.Use))
		}
	}
	return busy
}
