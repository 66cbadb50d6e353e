package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/shared/runner"
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

// Purges that were acknowledged are in the log, whatever became of the server in between.
func TestOutage_Kill9UnderLoad(t *testing.T) {
	ctx := context.Background()
	server := testkit.PostgresProc(t)
	s := open(t, Config{URL: server.URL})
	_, start := follow(t, s, 0)
	var acked sync.Map
	loaded, stop := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("%d-%d", w, i)
				_, _, err := s.AddPurge(ctx, newPurge(id, "", "x"))
				if err == nil {
					acked.Store(id+"/0", true)
				} else if !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
				if w == 0 && i == 20 {
					close(loaded)
				}
				if _, err := s.Poll(ctx, start); err != nil && !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
			}
		})
	}
	<-loaded
	server.Kill9()
	for range 3 {
		err := within(t, soon, "a poll", func() error { _, err := s.Poll(ctx, start); return err })
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("poll: %v", err)
		}
	}
	server.Restart()
	began := time.Now()
	testkit.Eventually(t, 30*time.Second, func() error { _, err := s.Poll(ctx, start); return err })
	testkit.Eventually(t, 30*time.Second, func() error { _, _, err := s.AddPurge(ctx, newPurge("back", "", "x")); return err })
	t.Logf("polls and purges again %v after the restart", time.Since(began))
	close(stop)
	wg.Wait()
	rows, _ := follow(t, s, start)
	found := map[string]bool{}
	for _, r := range rows {
		found[r.ID] = true
	}
	n := 0
	acked.Range(func(id, _ any) bool {
		n++
		if !found[id.(string)] {
			t.Errorf("%s was acknowledged and is not in the log", id)
		}
		return true
	})
	t.Logf("%d purges acknowledged", n)
}

func TestRun_StartsWithoutADatabaseAndWaitsForIt(t *testing.T) {
	server := testkit.PostgresProc(t)
	server.Kill9()
	health := runner.NewHealth()
	s, err := New(Config{URL: server.URL}, slog.New(slog.DiscardHandler), health.Component("postgres", true))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	defer func() { cancel(); <-done }()
	<-ready
	testkit.Eventually(t, 30*time.Second, func() error {
		if r := health.Report(); r.Ready || len(r.WaitingFor) == 0 || strings.Contains(r.WaitingFor[0], "not checked") {
			return fmt.Errorf("report %+v", r)
		}
		return nil
	})
	if _, err := s.Poll(ctx, 0); !errors.Is(err, ErrUnavailable) {
		t.Errorf("poll: %v", err)
	}
	if err := s.Load(ctx, nil, nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("load: %v", err)
	}
	server.Restart()
	testkit.Eventually(t, 30*time.Second, func() error {
		if !health.Ready() {
			return errors.New("not ready")
		}
		_, err := s.Poll(ctx, 0)
		return err
	})
}

// A sequence() that somebody leaves open holds up all others: they must say so in time.
func TestPoll_IsGivenUpWhenTheLockIsHeld(t *testing.T) {
	s := open(t, Config{})
	conn := connect(t, s)
	exec(t, conn, "BEGIN")
	exec(t, conn, "SELECT FROM tiercache.sequence()")
	err := within(t, soon, "a poll", func() error { _, err := s.Poll(context.Background(), 0); return err })
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("poll: %v", err)
	}
	exec(t, conn, "COMMIT")
	poll1(t, s, 0)
}

func TestPoll_DeadConnectionsAreReplacedAtOnce(t *testing.T) {
	s := open(t, Config{MaxConns: 3})
	conn := connect(t, s)
	exec(t, conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tiercache-control' AND datname = current_database()")
	poll1(t, s, 0)
}
