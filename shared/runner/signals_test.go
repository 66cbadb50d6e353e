package runner

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// childVariable makes the test binary play a process that drains and never finishes.
const childVariable = "RUNNER_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

func child() {
	ctx, cancel := Signals(context.Background())
	defer cancel()
	fmt.Println("up")
	<-ctx.Done()
	fmt.Println("draining")
	if os.Getenv(childVariable) == "quick" {
		return
	}
	select {}
}

// childProcess is the test binary in its other role.
type childProcess struct {
	*exec.Cmd
	t    *testing.T
	pipe io.ReadCloser
	out  *bufio.Reader
	said *bytes.Buffer // standard error; complete after Wait
}

// startChild runs the test binary as child, behind wrapper when there is one, and waits for its first line.
func startChild(t *testing.T, kind string, wrapper ...string) *childProcess {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	command := append(wrapper, os.Args[0])
	c := &childProcess{Cmd: exec.CommandContext(ctx, command[0], command[1:]...), t: t, said: new(bytes.Buffer)}
	c.Env = append(os.Environ(), childVariable+"="+kind)
	c.Stderr = c.said
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	c.pipe, c.out = pipe, bufio.NewReader(pipe)
	c.expectLine("up\n")
	return c
}

func (c *childProcess) expectLine(want string) {
	c.t.Helper()
	if got, err := c.out.ReadString('\n'); got != want {
		c.t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func (c *childProcess) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := c.Process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
}

// hungUpOn undoes a SIGHUP that was ignored when the tests were started: children inherit that.
func hungUpOn(t *testing.T) {
	t.Helper()
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(received) })
}

func TestSignals_FirstDrains(t *testing.T) {
	hungUpOn(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		child := startChild(t, "quick")
		child.signal(sig)
		child.expectLine("draining\n")
		if err := child.Wait(); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
	}
}

// As under nohup: the terminal goes, the process stays.
func TestSignals_IgnoredHangUpStaysIgnored(t *testing.T) {
	child := startChild(t, "quick", "sh", "-c", `trap "" HUP; exec "$0"`)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var ignored uint64
	_, rest, _ := strings.Cut(string(status), "SigIgn:")
	if _, err := fmt.Sscanf(rest, "%x", &ignored); err != nil {
		t.Fatal(err)
	}
	if ignored&(1<<(syscall.SIGHUP-1)) == 0 {
		t.Error("a process that was told to ignore SIGHUP does not")
	}
	child.signal(syscall.SIGHUP)
	child.signal(syscall.SIGTERM)
	child.expectLine("draining\n")
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
}

// Ctrl-C ends the reader of `tiercache up | tee log` as well, and before the drain has said what it does.
func TestSignals_DrainOutlivesTheReaderOfItsOutput(t *testing.T) {
	child := startChild(t, "quick")
	if err := child.pipe.Close(); err != nil {
		t.Fatal(err)
	}
	child.signal(syscall.SIGINT)
	if err := child.Wait(); err != nil {
		t.Errorf("%v, want an end with status 0", err)
	}
}

func TestSignals_SecondKills(t *testing.T) {
	child := startChild(t, "hung")
	began := time.Now()
	child.signal(syscall.SIGINT)
	child.expectLine("draining\n")
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			_ = child.Process.Signal(syscall.SIGTERM) // it may be gone
			continue
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("got %v, want exit status 1", err)
			}
		}
		break
	}
	if lived := time.Since(began); lived < impatience {
		t.Errorf("killed %v after the first signal", lived)
	}
	if want := "killed by a second signal (terminated)"; !strings.Contains(child.said.String(), want) {
		t.Errorf("it said %q, want %q", child.said.String(), want)
	}
}

// timeout(1) and some init systems signal a process and then its group.
func TestAwait_SameWishTwiceDoesNotKill(t *testing.T) {
	for name, test := range map[string]struct {
		after time.Duration
		kills bool
	}{
		"at once":        {0, false},
		"just too early": {impatience - 1, false},
		"after a second": {impatience, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				received, released := make(chan os.Signal), make(chan struct{})
				drains, second := 0, make(chan os.Signal, 1)
				go func() { second <- await(received, released, func() { drains++ }) }()
				received <- syscall.SIGTERM
				time.Sleep(test.after)
				received <- syscall.SIGTERM
				synctest.Wait()
				close(released)
				if sig := <-second; (sig != nil) != test.kills || drains != 1 {
					t.Errorf("%d drains, then %v", drains, sig)
				}
			})
		})
	}
}

// A third signal kills when the second came too early to.
func TestAwait_EarlySecondDoesNotPutOffTheKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		received, second := make(chan os.Signal), make(chan os.Signal, 1)
		go func() { second <- await(received, make(chan struct{}), func() {}) }()
		received <- syscall.SIGINT
		time.Sleep(impatience / 2)
		received <- syscall.SIGINT
		time.Sleep(impatience / 2)
		received <- syscall.SIGTERM
		if sig := <-second; sig != syscall.SIGTERM {
			t.Errorf("got %v", sig)
		}
	})
}

func TestSignals_CancelReleases(t *testing.T) {
	ctx, cancel := Signals(t.Context())
	cancel()
	cancel()
	if ctx.Err() == nil {
		t.Error("the context lives on")
	}
}
