package sequencing

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"tiercache/loadtests/platform"
	"tiercache/shared/bus"
	"tiercache/shared/follower"
	"tiercache/shared/runner"
)

// lookEvery is how often a follower looks at what it has applied: what is measured is late by half of it.
const lookEvery = 500 * time.Microsecond

// Follow follows the log as an edge of that name, with an edge's settings, and writes to out when it has applied what:
// pairs of Unix us and epoch, 8 bytes each. It ends with ctx, as a member that leaves in good order.
func Follow(ctx context.Context, name string, node platform.NodeSettings, out io.Writer) error {
	secret, err := os.ReadFile(node.TierTokenFile)
	if err != nil {
		return err
	}
	b, err := bus.Connect(ctx, bus.Config{URL: node.NATSURL, SeedFile: node.NATSSeedFile, Name: name, Role: "edge"})
	if err != nil {
		return err
	}
	defer b.Close()
	f, err := follower.New(follower.Config{
		Node: name, Tier: "edge", Region: "r1", Addr: "127.0.0.1:1", ControlURL: node.ControlURL, TierToken: string(bytes.TrimSpace(secret)), Member: true, Leave: true,
	}, follower.Deps{Bus: b, Log: slog.New(slog.DiscardHandler), Health: runner.NewHealth()})
	if err != nil {
		return err
	}
	looking, stop := context.WithCancel(ctx)
	var looks sync.WaitGroup
	defer looks.Wait()
	defer stop()
	return f.Run(ctx, func() { looks.Go(func() { look(looking, f, out) }) })
}

// look writes each change of what was applied, until ctx ends.
func look(ctx context.Context, f *follower.Follower, out io.Writer) {
	w := bufio.NewWriter(out)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last uint64
	for {
		if applied := f.Applied(); applied != last {
			last = applied
			b := binary.LittleEndian.AppendUint64(nil, uint64(time.Now().UnixMicro()))
			_, _ = w.Write(binary.LittleEndian.AppendUint64(b, applied)) // fails when the reader is gone, and so does this process
		} else {
			_ = w.Flush()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = w.Flush()
			return
		}
	}
}

// look: at a time, and what was applied then.
type sight struct{ at, epoch uint64 }

// watcher is a process that follows, and what it has said.
type watcher struct {
	cmd *exec.Cmd
	mu  struct {
		sync.Mutex
		sights []sight // by time, and so by epoch
	}
	done chan struct{} // closed when the process says no more
}

// startWatcher starts this program as a follower of that name.
func startWatcher(ctx context.Context, name, dataDir string) (*watcher, error) {
	w := &watcher{cmd: exec.CommandContext(ctx, "/proc/self/exe", "--follow", name, "--data-dir", dataDir), done: make(chan struct{})}
	w.cmd.Cancel = func() error { return w.cmd.Process.Signal(os.Interrupt) }
	w.cmd.Stderr = os.Stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a follower: %w", err)
	}
	go func() {
		defer close(w.done)
		w.read(bufio.NewReader(out))
	}()
	return w, nil
}

func (w *watcher) read(r io.Reader) {
	var b [16]byte
	for {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return
		}
		s := sight{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
		w.mu.Lock()
		w.mu.sights = append(w.mu.sights, s)
		w.mu.Unlock()
	}
}

// applied is what it had applied when it was heard last.
func (w *watcher) applied() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.mu.sights); n > 0 {
		return w.mu.sights[n-1].epoch
	}
	return 0
}

// seen are all that it has said.
func (w *watcher) seen() []sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]sight(nil), w.mu.sights...)
}

func (w *watcher) stop() {
	_ = w.cmd.Process.Signal(os.Interrupt)
	<-w.done
	_ = w.cmd.Wait() // by the signal
}
