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
	w := newTeller(out)
	defer w.close()
	f, err := follower.New(follower.Config{
		Node: name, Tier: "edge", Region: "r1", Addr: "127.0.0.1:1", ControlURL: node.ControlURL, TierToken: string(bytes.TrimSpace(secret)), Member: true, Leave: true,
	}, follower.Deps{Bus: b, Log: slog.New(slog.DiscardHandler), Health: runner.NewHealth(), Applied: w.applied})
	if err != nil {
		return err
	}
	return f.Run(ctx, func() {})
}

// teller writes what was applied when, beside who applies it.
type teller struct {
	sights chan sight
	done   chan struct{}
}

func newTeller(out io.Writer) *teller {
	t := &teller{sights: make(chan sight, 64<<10), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		w := bufio.NewWriter(out) // when its reader is gone, so will be this process
		for s := range t.sights {
			b := binary.LittleEndian.AppendUint64(nil, s.at)
			_, _ = w.Write(binary.LittleEndian.AppendUint64(b, s.epoch))
			if len(t.sights) == 0 {
				_ = w.Flush()
			}
		}
	}()
	return t
}

func (t *teller) applied(epoch uint64) {
	t.sights <- sight{uint64(time.Now().UnixMicro()), epoch}
}

func (t *teller) close() {
	close(t.sights)
	<-t.done
}

// sight is a time, in Unix us, and what was applied then.
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
