package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// contender is a server that can be measured.
type contender struct {
	name    string
	version func(ctx context.Context, cfg Config) (string, error)
	// command makes the files that the server needs in a folder of its own, and returns how it is started.
	command func(ctx context.Context, s *stand) ([]string, error)
	// files is the folder, in that of the server, in which it keeps objects; empty: in none.
	files string
}

// stand is where a server stands.
type stand struct {
	cfg  Config
	dir  string // in memory; empty at first
	port int    // on 127.0.0.1; the nine behind it are free as well
	site string // host:port to fill from
	// after is called when the server has been stopped; nil: there is nothing to do.
	after func()
}

// contenders are all of them, tiercache first.
func contenders() []contender {
	return []contender{tiercacheEdge(), bareServer(), nginx(), varnish(), haproxy(), trafficServer()}
}

func chosen(names []string) ([]contender, error) {
	if len(names) == 0 {
		return contenders(), nil
	}
	var list []contender
	for _, name := range names {
		found := false
		for _, c := range contenders() {
			if c.name == name {
				list, found = append(list, c), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no server is called %q", name)
		}
	}
	return list, nil
}

// server is one that runs.
type server struct {
	name, addr string
	stand      *stand
	c          contender
	cmd        *exec.Cmd
	done       chan struct{} // closed when it has ended
	ended      error         // how
}

// stopTime is how long a server may take to end.
const stopTime = 15 * time.Second

// start starts a server on its processor and waits until it answers.
func (r *run) start(ctx context.Context, c contender, port int) (*server, error) {
	st := &stand{cfg: r.cfg, dir: filepath.Join(r.dir, c.name), port: port + r.cfg.PortOffset, site: r.site.addr}
	if err := os.MkdirAll(st.dir, 0o755); err != nil {
		return nil, err
	}
	s := &server{name: c.name, addr: fmt.Sprintf("127.0.0.1:%d", st.port), stand: st, c: c, done: make(chan struct{})}
	args, err := c.command(ctx, st)
	if err != nil {
		return nil, err
	}
	said, err := os.Create(filepath.Join(r.dir, c.name+".said"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = said.Close() }() // the server has it
	s.cmd = exec.Command("taskset", append([]string{"-c", fmt.Sprint(r.cfg.ServerCPU)}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = said, said
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is for this program
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.done)
		s.ended = s.cmd.Wait()
	}()
	if err := s.answers(ctx); err != nil {
		text, _ := os.ReadFile(said.Name())
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, tail(text)), s.stop())
	}
	return s, nil
}

// answers waits until the server takes connections.
func (s *server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := net.DialTimeout("tcp", s.addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.done:
			return fmt.Errorf("it ended: %v", s.ended)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", s.addr, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends a server and all processes that it began.
func (s *server) stop() error {
	if s.stand.after != nil {
		defer s.stand.after()
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM) // unless it has ended
	select {
	case <-s.done:
	case <-time.After(stopTime):
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // what is left of it
	<-s.done
	return nil
}

// tail is the end of what a server has said.
func tail(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// says is the first line that a command prints.
func says(name string, args ...string) func(ctx context.Context, _ Config) (string, error) {
	return func(ctx context.Context, _ Config) (string, error) {
		out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
		line, _, _ := strings.Cut(string(out), "\n")
		return strings.TrimSpace(line), err
	}
}

// write writes the files of a server.
func (s *stand) write(files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
