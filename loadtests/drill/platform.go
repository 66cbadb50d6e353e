package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"tiercache/control/backup"
	"tiercache/control/client"
	"tiercache/shared/platform"
	"tiercache/shared/token"
)

// Where up listens, before its offset.
const (
	originPort  = 7080
	controlPort = 7070
	edgePort    = 8080
)

// edges is how many there are.
const edges = 2

// allReady is in what up prints last when everything is ready.
const allReady = "Ctrl-C stops everything"

// fleet is `tiercache up` in a folder, with backups.
type fleet struct {
	cfg     *Config
	data    string
	program string
	token   string
	client  *client.Client
	process *platform.Process
	printed *printed
}

// printed is all that a process has printed.
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

// start runs it until all of it is ready, and the first base backup is there.
func start(ctx context.Context, cfg *Config) (*fleet, error) {
	f := &fleet{cfg: cfg, data: filepath.Join(cfg.Dir, "data"), printed: &printed{}}
	cfg.Say("starting a platform in %s", cfg.Dir)
	if err := f.copyProgram(); err != nil {
		return nil, err
	}
	process, err := platform.StartProcess(platform.Program{
		Name: "tiercache up", Path: f.program, Stop: syscall.SIGINT, Orphaned: syscall.SIGTERM,
		Args: []string{"up", "--data-dir", f.data, "--port-offset", strconv.Itoa(cfg.PortOffset), "--edges", strconv.Itoa(edges),
			"--backup", f.repository(), "--backup-lag", cfg.Lag.String()},
	}, f.printed)
	if err != nil {
		return nil, err
	}
	f.process = process
	living, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		<-process.Done()
		cancel(errors.New("up has ended"))
	}()
	err = await(living, 2*time.Minute, func() error {
		if !strings.Contains(f.printed.String(), allReady) {
			return errors.New("up is not ready")
		}
		return f.hasBackup()
	})
	if err == nil {
		err = f.connect()
	}
	if err != nil {
		f.stop()
		return nil, fmt.Errorf("%w\n%s", err, f.printed)
	}
	return f, nil
}

// copyProgram puts the program where PostgreSQL's account, which archives with it, can run it.
func (f *fleet) copyProgram() error {
	f.program = filepath.Join(f.cfg.Dir, "program")
	content, err := os.ReadFile(f.cfg.Program)
	if err != nil {
		return err
	}
	return os.WriteFile(f.program, content, 0o755)
}

// hasBackup wants the base backup that up makes by itself.
func (f *fleet) hasBackup() error {
	repository, err := backup.Open(f.repository())
	if err != nil {
		return err
	}
	if list, err := repository.List(); err != nil || len(list) == 0 {
		return errors.Join(err, errors.New("there is no base backup yet"))
	}
	return nil
}

func (f *fleet) connect() (err error) {
	if f.token, err = token.ReadFile(filepath.Join(f.data, token.FileName)); err != nil {
		return err
	}
	f.client, err = client.New(client.Config{URL: f.control(), Token: f.token})
	return err
}

func (f *fleet) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = f.process.Stop(ctx) // an end that is not in good order is in its output
}

func (f *fleet) url(port int) string {
	return "http://127.0.0.1:" + strconv.Itoa(port+f.cfg.PortOffset)
}

func (f *fleet) control() string { return f.url(controlPort) }

func (f *fleet) repository() string { return filepath.Join(f.cfg.Dir, "repository") }

// database is PostgreSQL's data directory.
func (f *fleet) database() string { return filepath.Join(f.data, "postgres", "data") }

// command runs the program with this platform's folder, and returns what it printed.
func (f *fleet) command(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, f.program, args...)
	cmd.Env = append(os.Environ(), "TIERCACHE_DATA_DIR="+f.data)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("tiercache %s: %w: %s", strings.Join(args, " "), err, problems.String())
	}
	for line := range strings.Lines(problems.String()) {
		f.cfg.Say("  %s", strings.TrimSpace(line))
	}
	return out.Bytes(), nil
}

// closedSegment is the newest segment of the log that PostgreSQL does not write to any more.
func (f *fleet) closedSegment() (newest string, err error) {
	notes, err := os.ReadDir(filepath.Join(f.database(), "pg_wal", "archive_status"))
	for _, n := range notes {
		if name, _, _ := strings.Cut(n.Name(), "."); len(name) == 24 {
			newest = max(newest, name)
		}
	}
	return newest, err
}

// loseDatabase kills PostgreSQL and deletes all that it had.
func (f *fleet) loseDatabase(ctx context.Context) error {
	content, err := os.ReadFile(filepath.Join(f.database(), "postmaster.pid"))
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	// Its children need a moment to end, and may write meanwhile.
	return await(ctx, time.Minute, func() error {
		if err := os.RemoveAll(f.database()); err != nil {
			return err
		}
		if _, err := os.Lstat(f.database()); !errors.Is(err, os.ErrNotExist) {
			return errors.New("the data directory is still there")
		}
		return nil
	})
}

// awaitLeases waits until each edge and each regional node has applied the epoch and holds a lease.
func (f *fleet) awaitLeases(ctx context.Context, epoch uint64) error {
	return await(ctx, 2*time.Minute, func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		now, err := f.client.Fleet(ctx)
		if err != nil {
			return err
		}
		members := 0
		for _, n := range now.Nodes {
			if n.Tier != "edge" && n.Tier != "regional" {
				continue
			}
			if members++; n.Lease != client.LeaseLive || n.Applied < epoch {
				return fmt.Errorf("%s has applied %d, its lease is %s", n.Node, n.Applied, n.Lease)
			}
		}
		if members != edges+1 {
			return fmt.Errorf("%d members", members)
		}
		return nil
	})
}
