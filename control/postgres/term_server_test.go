package postgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/shared/testkit"
)

// Both stops of a server that waits for the disk lose nothing that was told: the jump alone is enough.
func TestTerm_RestartOfACluster(t *testing.T) {
	c := testkit.PostgresCluster(t)
	s := open(t, Config{URL: c.URL})
	for _, stop := range []func(){c.Stop, c.Crash} {
		execute(t, s, insert, fmt.Sprint(time.Now().UnixNano()), 3)
		_, head := follow(t, s, 0)
		stop()
		c.Start()
		answers(t, s)
		wantTerm(t, s, head, "")
	}
}

// A standby that is promoted lacks what had not reached it, and numbers it again: those numbers are in the hole.
func TestTerm_PromotedStandby(t *testing.T) {
	primary := testkit.PostgresCluster(t)
	s := open(t, Config{URL: primary.URL})
	execute(t, s, insert, "a", 3)
	_, replicated := follow(t, s, 0)
	standby := primary.Backup(testkit.FreePort(t), "-R", "-X", "stream")
	standby.Start()
	behind := reader(t, standby.URL)
	if rows, err := behind.Log(context.Background(), 0); err != nil || rows[len(rows)-1].Epoch != replicated {
		t.Fatalf("the standby has %v, %v", ids(rows), err)
	}
	standby.Stop()
	execute(t, s, insert, "lost", 3)
	_, lost := follow(t, s, replicated)
	primary.Crash()
	standby.Start()
	standby.Promote()
	answers(t, behind)
	if term := wantTerm(t, behind, replicated, "soft"); term.Epoch <= lost {
		t.Errorf("the term begins at %d, and the primary had told %d", term.Epoch, lost)
	}
}

// A base backup is restored while nodes have what came after it.
func TestTerm_BaseBackupRestored(t *testing.T) {
	for name, c := range map[string]struct {
		above   bool // the head is above the clock
		restore func(*testkit.Cluster)
		purge   string // of the first term
	}{
		// The clock tells: the lost numbers are in the hole.
		"as it is": {restore: func(*testkit.Cluster) {}},
		"to a point in time": {purge: "soft", restore: func(b *testkit.Cluster) {
			b.Append("recovery.signal", "")
			b.Append("postgresql.auto.conf", "restore_command = 'false'\nrecovery_target = 'immediate'\nrecovery_target_action = 'promote'\n")
		}},
		"behind a clock that tells nothing": {above: true, restore: func(*testkit.Cluster) {}},
	} {
		t.Run(name, func(t *testing.T) {
			server := testkit.PostgresCluster(t)
			s := open(t, Config{URL: server.URL})
			if c.above {
				aboveTheClock(t, s)
			}
			execute(t, s, insert, "a", 3)
			_, head := follow(t, s, 0)
			backup := server.Backup(server.Port(), "-X", "fetch")
			execute(t, s, insert, "lost", 5)
			_, lost := follow(t, s, head)
			server.Stop()
			c.restore(backup)
			backup.Start()
			answers(t, s)
			term := wantTerm(t, s, head, c.purge)
			if (term.Epoch > lost) == c.above {
				t.Fatalf("the term begins at %d, and nodes have %d", term.Epoch, lost)
			}
			if !c.above {
				// The new numbers are above all that was lost, so nobody is ahead. Where no term has purged, a node that has one tells.
				found, err := s.Find(context.Background(), lost)
				if err != nil || found.Lost != (c.purge == "") {
					t.Errorf("epoch %d: %+v, %v", lost, found, err)
				}
				if err := s.Lost(context.Background(), lost); err != nil {
					t.Fatal(err)
				}
				if c.purge == "" {
					wantTerm(t, s, term.Epoch, "soft")
				}
				return
			}
			// Only a node that is ahead tells.
			if err := s.Heard(context.Background(), lost); err != nil {
				t.Fatal(err)
			}
			if again := wantTerm(t, s, term.Epoch, "soft"); again.Epoch <= lost {
				t.Errorf("the term begins at %d, and nodes have %d", again.Epoch, lost)
			}
		})
	}
}

// reader is a store without migrations, for a server that takes no writes yet.
func reader(t *testing.T, url string) *Store {
	t.Helper()
	s, err := New(Config{URL: url}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := s.cfg.pool()
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s.pool.Store(pool)
	return s
}
