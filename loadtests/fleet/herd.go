package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// herd is a process of followers, as this one sees it.
type herd struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	said  chan seen // what it says; closed when it says no more
	count int
}

// startHerd starts this program as a process of followers.
func startHerd(ctx context.Context, dataDir string, first, count int) (*herd, error) {
	h := &herd{cmd: exec.CommandContext(ctx, "/proc/self/exe", "--follow", strconv.Itoa(first), "--count", strconv.Itoa(count), "--data-dir", dataDir), said: make(chan seen, 1), count: count}
	h.cmd.Stderr = os.Stderr
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start followers: %w", err)
	}
	go func() {
		defer close(h.said)
		decode := json.NewDecoder(out)
		for {
			var s seen
			if decode.Decode(&s) != nil {
				return // it has ended, which whoever waits is told
			}
			select {
			case h.said <- s:
			case <-ctx.Done():
				return
			}
		}
	}()
	return h, nil
}

var errEnded = errors.New("a process of followers has ended")

// hear waits for what it says next.
func (h *herd) hear(ctx context.Context) (seen, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	select {
	case s, ok := <-h.said:
		if !ok {
			return s, errEnded
		}
		return s, nil
	case <-ctx.Done():
		return seen{}, fmt.Errorf("wait for followers: %w", ctx.Err())
	}
}

// gathered waits until all of its followers follow.
func (h *herd) gathered(ctx context.Context) error {
	s, err := h.hear(ctx)
	if err == nil && s.Followers != h.count {
		err = fmt.Errorf("%d followers instead of %d", s.Followers, h.count)
	}
	return err
}

// look asks what its followers have seen since the last time.
func (h *herd) look(ctx context.Context) (seen, error) {
	if _, err := h.in.Write([]byte("\n")); err != nil {
		return seen{}, errEnded
	}
	return h.hear(ctx)
}

// stop ends the process; its followers do not take leave.
func (h *herd) stop() {
	_ = h.in.Close() // it ends by that
	end := time.AfterFunc(10*time.Second, func() { _ = h.cmd.Process.Kill() })
	defer end.Stop()
	for range h.said { // what it still says
	}
	_ = h.cmd.Wait()
}
