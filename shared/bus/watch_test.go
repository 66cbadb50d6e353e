package bus_test

import (
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tiercache/shared/bus"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

// gate passes bytes between clients and a server, and can stop to: what a server does that hangs.
type gate struct {
	sync.RWMutex // held for writing while it is shut
	addr         string
	accepted     atomic.Int64
}

func startGate(t *testing.T, server string) *gate {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{addr: ln.Addr().String()}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			g.accepted.Add(1)
			far, err := net.Dial("tcp", server)
			if err != nil {
				_ = near.Close()
				continue
			}
			go g.pass(near, far)
			go g.pass(far, near)
		}
	}()
	return g
}

func (g *gate) pass(from, to net.Conn) {
	defer func() { _, _ = from.Close(), to.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		g.RLock()
		_, err = to.Write(buf[:n])
		g.RUnlock()
		if err != nil {
			return
		}
	}
}

func TestWatch_ServerThatHangsCountsAsGoneUntilItAnswers(t *testing.T) {
	dir, addr := t.TempDir(), testkit.FreeAddr(t)
	startServer(t, addr, dir)
	g := startGate(t, addr)
	health := runner.NewHealth()
	b := connect(t, "nats://"+g.addr, dir, "origin", health)
	eventually(t, "connected", b.Connected)

	g.Lock()
	eventually(t, "silent", func() bool { return !b.Connected() })
	eventually(t, "in /readyz", func() bool {
		nats := health.Report().Components["nats"]
		return !nats.OK && strings.Contains(nats.Detail, "which does not answer")
	})
	if err := b.PublishLog(nil); !errors.Is(err, bus.ErrDisconnected) {
		t.Errorf("publish: %v", err)
	}
	g.Unlock()
	eventually(t, "back", b.Connected)
	eventually(t, "in /readyz", func() bool { return health.Report().Components["nats"].OK })
	if n := g.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}
