package semantics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tiercache/shared/platform"
)

const (
	readyTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second
	pollInterval = 20 * time.Millisecond
)

// stage is the processes of one run. They die with this one.
type stage struct {
	program string
	output  io.Writer
	dir     string // for settings; empty until the first node
	running []running
}

type running struct {
	name    string
	process *platform.Process
	printed *printed
}

// printed is all that a process wrote on its standard output and error.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// start starts a program and waits until ready says nil.
func (s *stage) start(ctx context.Context, p platform.Program, ready func(*printed) error) (*printed, error) {
	out := &printed{}
	process, err := platform.StartProcess(p, out)
	if err != nil {
		return nil, err
	}
	s.running = append(s.running, running{p.Name, process, out})
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		notYet := ready(out)
		if notYet == nil {
			return out, nil
		}
		select {
		case <-process.Done():
			return nil, fmt.Errorf("%s ended while it was starting", p.Name)
		case <-ctx.Done():
			return nil, fmt.Errorf("%s is not ready: %w (%w)", p.Name, notYet, ctx.Err())
		case <-ticker.C:
		}
	}
}

// startServer starts the suite's server and returns its URL.
func (s *stage) startServer(ctx context.Context, suite *suite) (url string, server *printed, err error) {
	s.dir, err = os.MkdirTemp("", "tiercache-semantics-")
	if err != nil {
		return "", nil, err
	}
	server, err = s.start(ctx, platform.Program{
		Name: "the suite's server", Path: suite.node, Dir: suite.folder(),
		Args: []string{"--no-warnings", "--require", filepath.Join(suite.dir, "loopback.cjs"), "server/server.mjs"},
		Env: append(environment("npm_", "NODE_OPTIONS="), "npm_config_protocol=http", "npm_config_port=0",
			"npm_config_pidfile="+filepath.Join(s.dir, "server.pid")),
	}, func(out *printed) error {
		_, after, _ := strings.Cut(out.String(), "Listening on ")
		said, _, whole := strings.Cut(after, "/\n")
		if !whole {
			return errors.New("it does not say where it listens")
		}
		url = said
		return nil
	})
	if err == nil && !strings.HasPrefix(url, "http://127.0.0.1:") {
		err = fmt.Errorf("the suite's server listens on %s, which is not loopback", url)
	}
	return url, server, err
}

// startNodes starts the nodes of a setup in front of upstream and returns the edge's URL.
func (s *stage) startNodes(ctx context.Context, setup, upstream string) (string, error) {
	switch setup {
	case Edge:
		return s.startNode(ctx, "edge", upstream, "")
	case TwoTiers:
		redis, err := s.startRedis(ctx)
		if err != nil {
			return "", err
		}
		regional, err := s.startNode(ctx, "regional", upstream, "redis_addrs: ["+redis+"]\n")
		if err != nil {
			return "", err
		}
		return s.startNode(ctx, "edge", upstream, "regionals: ["+regional+"]\n")
	}
	return "", fmt.Errorf("setup %q: use %s", setup, strings.Join(Setups(), " or "))
}

func (s *stage) startRedis(ctx context.Context) (addr string, err error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	out := &printed{}
	redis, err := platform.StartRedis(ctx, platform.RedisConfig{Port: port, MaxMemory: 64 << 20, Output: out})
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	s.running = append(s.running, running{"redis", redis.Process(), out})
	return redis.Addr(), nil
}

// startNode starts a node with the settings of its tier and returns its URL.
func (s *stage) startNode(ctx context.Context, tier, upstream, settings string) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	secret, config := filepath.Join(s.dir, "tier.token"), filepath.Join(s.dir, tier+".yaml")
	text := fmt.Sprintf("node: %s-1\nlisten: 127.0.0.1:%d\nadmin_listen: 127.0.0.1:%d\ntier_token_file: %s\n%sservices:\n%s",
		tier, port, port+adminOffset, secret, settings, service(upstream))
	if err := errors.Join(os.WriteFile(secret, []byte(tierSecret), 0o600), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		return "", err
	}
	health := fmt.Sprintf("http://127.0.0.1:%d/readyz", port+adminOffset)
	_, err = s.start(ctx, platform.Program{
		Name: tier, Path: s.program, Args: []string{tier, "--config", config}, Env: environment("TIERCACHE_"),
	}, func(*printed) error { return healthy(ctx, health) })
	return fmt.Sprintf("http://127.0.0.1:%d", port), err
}

// tierSecret is what the two nodes of a run know each other by: on loopback, for seconds.
const tierSecret = "tiers of one run of the suite"

func healthy(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // only the status counts
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

// stop ends the process. One that has ended by itself did so in the middle of the run.
func (r *running) stop(ctx context.Context) error {
	select {
	case <-r.process.Done():
		return fmt.Errorf("%s ended during the run", r.name)
	default:
		return r.process.Stop(ctx)
	}
}

// end stops what was started, the last first. After a failure it shows what each process printed.
func (s *stage) end(failed bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	for i := len(s.running) - 1; i >= 0; i-- {
		r := s.running[i]
		if err := r.stop(ctx); err != nil {
			errs, failed = append(errs, err), true
		}
		if failed {
			fmt.Fprintf(s.output, "-- %s printed:\n%s\n", r.name, r.printed)
		}
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// Free ports are taken from below the range that the kernel gives to outgoing connections (32768 on), and low enough
// that a node's admin listener is below it too.
const (
	firstPort, lastPort = 11_000, 22_700
	adminOffset         = 10_000
	portTries           = 100
)

func freePort() (int, error) {
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if canListen(port) && canListen(port+adminOffset) {
			return port, nil
		}
	}
	return 0, errors.New("no free port found")
}

func canListen(port int) bool {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	return err == nil && listener.Close() == nil
}
