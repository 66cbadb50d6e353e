package testkit

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tiercache/shared/platform"
)

// Cluster is a PostgreSQL whose data directory a test may copy, and which waits for the disk, as in production. Its methods
// fail the test on trouble and must be called by the test's own goroutine.
type Cluster struct {
	// URL is the database's, whether the server runs or not. That of a copy differs in the port at most.
	URL string

	t      testing.TB
	cfg    platform.PostgresConfig
	output *output
	server *platform.Postgres // nil while none runs
}

// PostgresCluster starts one. It takes some seconds.
func PostgresCluster(t testing.TB) *Cluster {
	t.Helper()
	c := newCluster(t, FreePort(t))
	c.Start()
	return c
}

// newCluster is one without data.
func newCluster(t testing.TB, port int) *Cluster {
	t.Helper()
	dir, err := serverDir()
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{t: t, output: &output{}}
	c.cfg = platform.PostgresConfig{Dir: dir, Port: port, Output: c.output}
	t.Cleanup(func() {
		if c.server != nil {
			c.Stop()
		}
		if t.Failed() {
			t.Logf("what postgres on port %d printed:\n%s", port, c.output)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Start starts the server and waits until it takes connections.
func (c *Cluster) Start() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	server, err := platform.StartPostgres(ctx, c.cfg)
	if err != nil {
		c.t.Fatalf("start postgres: %v%s", err, advice(err))
	}
	c.server, c.URL = server, server.URL()
}

// Stop ends the server in good order (fast shutdown).
func (c *Cluster) Stop() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := c.server.Stop(ctx); err != nil {
		c.t.Errorf("stop postgres: %v", err)
	}
	c.server = nil
}

// Crash ends the server without writing anything (immediate shutdown).
func (c *Cluster) Crash() {
	c.t.Helper()
	if err := c.server.Process().Signal(syscall.SIGQUIT); err != nil {
		c.t.Fatal(err)
	}
	<-c.server.Process().Done()
	c.server = nil
}

// Data is the data directory.
func (c *Cluster) Data() string { return filepath.Join(c.cfg.Dir, "data") }

// Copy is a copy of the data directory, file by file, on that port: a cold one if the server does not run. It is not
// started.
func (c *Cluster) Copy(port int) *Cluster {
	c.t.Helper()
	clone := newCluster(c.t, port)
	c.command("cp", "-a", c.cfg.Dir+"/.", clone.cfg.Dir)
	if err := os.Remove(filepath.Join(clone.Data(), "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		c.t.Fatal(err)
	}
	clone.URL = c.on(port)
	return clone
}

// Port is where the server listens, on 127.0.0.1.
func (c *Cluster) Port() int { return c.cfg.Port }

// on is the database's URL on another port.
func (c *Cluster) on(port int) string {
	u, err := url.Parse(c.URL)
	if err != nil {
		c.t.Fatal(err)
	}
	u.Host = "127.0.0.1:" + strconv.Itoa(port)
	return u.String()
}

// Backup is a base backup of the server, which runs, made by pg_basebackup with args, on that port. It is not started.
func (c *Cluster) Backup(port int, args ...string) *Cluster {
	c.t.Helper()
	clone := newCluster(c.t, port)
	c.command("cp", "-a", filepath.Join(c.cfg.Dir, "password"), clone.cfg.Dir)
	postgres, err := os.Readlink("/proc/" + strconv.Itoa(c.server.Pid()) + "/exe")
	if err != nil {
		c.t.Fatal(err)
	}
	c.command(filepath.Join(filepath.Dir(postgres), "pg_basebackup"), append([]string{"-D", clone.Data(), "-d", c.URL, "--checkpoint=fast"}, args...)...)
	c.command("chown", "-R", "--reference="+c.Data(), clone.Data())
	clone.URL = c.on(port)
	return clone
}

// Promote makes a standby, which runs, take writes. It goes on on a WAL timeline of its own.
func (c *Cluster) Promote() {
	c.t.Helper()
	execute(c.t, c.URL, "SELECT pg_promote(true, 60)")
}

// Append adds lines to a file of the data directory, which may be new.
func (c *Cluster) Append(name, lines string) {
	c.t.Helper()
	path := filepath.Join(c.Data(), name)
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = file.WriteString(lines)
	if err := errors.Join(err, file.Close()); err != nil {
		c.t.Fatal(err)
	}
	c.command("chown", "--reference="+c.Data(), path)
}

func (c *Cluster) command(name string, args ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v: %s", filepath.Base(name), err, out)
	}
}
