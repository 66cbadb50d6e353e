package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/origin"
	"tiercache/shared/testkit"
)

// soon is what a call may take that is given up after two to five seconds, on a busy machine.
const soon = 15 * time.Second

// within fails the test if do takes longer, and returns its error.
func within(t *testing.T, limit time.Duration, what string, do func() error) error {
	t.Helper()
	started := time.Now()
	err := do()
	if took := time.Since(started); took > limit {
		t.Errorf("%s took %v, limit %v", what, took, limit)
	}
	return err
}

func (s *Store) tryPut(path, body string) error {
	_, _, err := s.Put(context.Background(), origin.Upload{Address: addr(path), Body: strings.NewReader(body)})
	return err
}

func TestOutage_Kill9UnderLoad(t *testing.T) {
	server := testkit.PostgresProc(t)
	s := open(t, Config{URL: server.URL})
	big := pattern(6*origin.ChunkSize, "outage")
	o := write(t, s, "/big", big)
	half := s.Open(context.Background(), o)
	defer half.Close()
	if _, err := io.ReadFull(half, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	load := startLoad(s)
	testkit.Eventually(t, 20*time.Second, func() error { return load.atLeast(30) })
	server.Kill9()
	for i := range 3 {
		err := within(t, soon, "a lookup", func() error { _, err := s.Lookup(context.Background(), addr("/big")); return err })
		if !errors.Is(err, origin.ErrUnavailable) {
			t.Errorf("lookup %d: %v", i, err)
		}
		if err := within(t, soon, "a write", func() error { return s.tryPut("/down", "x") }); !errors.Is(err, origin.ErrUnavailable) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	server.Restart()
	started := time.Now()
	testkit.Eventually(t, 30*time.Second, func() error { _, err := s.Lookup(context.Background(), addr("/big")); return err })
	testkit.Eventually(t, 30*time.Second, func() error { return s.tryPut("/up", "x") })
	t.Logf("reads and writes again %v after the restart", time.Since(started))
	load.stop()
	for path, body := range load.acknowledged() {
		o, err := s.Lookup(context.Background(), addr(path))
		if err != nil || string(read(t, s, o)) != body {
			t.Errorf("%s was acknowledged and is lost: %v", path, err)
		}
	}
	if err := load.unexpected(); err != nil {
		t.Error(err)
	}
	if got := read(t, s, o); !bytes.Equal(got, big) {
		t.Error("the big body differs")
	}
}

// load writes objects until it is stopped.
type load struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	acked  map[string]string
	err    error
}

func startLoad(s *Store) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel, acked: map[string]string{}}
	for w := range 4 {
		l.wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				path, body := fmt.Sprintf("/load/%d/%d", w, i), strings.Repeat(fmt.Sprint(i), 100*w+1)
				err := s.tryPut(path, body)
				l.mu.Lock()
				switch {
				case err == nil:
					l.acked[path] = body
				case !errors.Is(err, origin.ErrUnavailable):
					l.err = err
				}
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) stop() { l.cancel(); l.wg.Wait() }

func (l *load) acknowledged() map[string]string { return l.acked }

func (l *load) unexpected() error { return l.err }

func (l *load) atLeast(n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.acked) < n {
		return fmt.Errorf("%d writes", len(l.acked))
	}
	return nil
}

// A server that hangs keeps its connections open: only deadlines help.
func TestOutage_AHangingServerIsGivenUpSoon(t *testing.T) {
	server := testkit.PostgresProc(t)
	s := open(t, Config{URL: server.URL})
	write(t, s, "/x", []byte("x"))
	pauseAll(t, s, server)
	err := within(t, soon, "a lookup", func() error { _, err := s.Lookup(context.Background(), addr("/x")); return err })
	if !errors.Is(err, origin.ErrUnavailable) {
		t.Errorf("lookup: %v", err)
	}
	server.Resume()
	testkit.Eventually(t, 30*time.Second, func() error { _, err := s.Lookup(context.Background(), addr("/x")); return err })
}

func TestRun_StartsWithoutADatabaseAndWaitsForIt(t *testing.T) {
	server := testkit.PostgresProc(t)
	server.Kill9()
	s, health, stop := startUnready(t, server.URL)
	defer stop()
	testkit.Eventually(t, 30*time.Second, func() error {
		if r := health.Report(); r.Ready || len(r.WaitingFor) == 0 || !strings.Contains(r.WaitingFor[0], "postgres: ") || strings.Contains(r.WaitingFor[0], "not checked") {
			return fmt.Errorf("report %+v", r)
		}
		return nil
	})
	if err := s.tryPut("/x", "x"); !errors.Is(err, origin.ErrUnavailable) {
		t.Errorf("put: %v", err)
	}
	server.Restart()
	testkit.Eventually(t, 30*time.Second, func() error {
		if !health.Ready() {
			return errors.New("not ready")
		}
		return s.tryPut("/x", "x")
	})
	server.Kill9()
	testkit.Eventually(t, 30*time.Second, func() error {
		if health.Ready() {
			return errors.New("still ready")
		}
		return nil
	})
	server.Restart()
	testkit.Eventually(t, 30*time.Second, func() error {
		if !health.Ready() {
			return errors.New("not ready again")
		}
		return nil
	})
}

// pauseAll stops the server and the processes that serve this store's connections.
func pauseAll(t *testing.T, s *Store, server *testkit.Proc) {
	t.Helper()
	rows, err := s.pool.Load().Query(context.Background(), "SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	server.Pause()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) }) // it may have ended
	}
}
