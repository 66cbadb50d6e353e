package control

import (
	"fmt"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/testkit"
)

// A node that has applied one branch of the log is moved to another one with the same numbers: a cold copy of the data
// directory, under a clock that tells nothing. All that was stamped before is dead, on each node and for those to come.
func TestBranch_NodesAreMovedToAColdCopy(t *testing.T) {
	for name, restart := range map[string]bool{"control goes with them": false, "control knows nothing": true} {
		t.Run(name, func(t *testing.T) {
			original := testkit.PostgresCluster(t)
			n := start(t, func(cfg *Config) { withTier(t)(cfg); cfg.PostgresURL = original.URL })
			if err := n.store.Heard(t.Context(), uint64(time.Now().Add(time.Hour).UnixMicro())); err != nil {
				t.Fatal(err)
			}
			edge := n.process(t, "edge-1", "127.0.0.1:1001")
			<-edge.joined
			c := n.client(t, n.token)
			fork := mustPurge(t, c, tagged("before"), "").Epoch
			original.Stop()
			clone := original.Copy(testkit.FreePort(t))

			original.Start()
			for range 3 {
				purgeSoon(t, c, "lost")
			}
			lost := edge.Applied()
			original.Stop()
			if restart {
				if err := n.stop(); err != nil {
					t.Fatal(err)
				}
			}
			clone.Start()
			testkit.Execute(t, clone.URL, `INSERT INTO tiercache.outbox (kind, body) SELECT 'purge', '{"tags": ["kept"]}' FROM generate_series(1, 10)`)
			testkit.Execute(t, clone.URL, `SELECT FROM tiercache.sequence()`)
			clone.Stop()
			moved := clone.Copy(original.Port())
			moved.Start()
			if restart {
				n = run(t, n.cfg, n.token)
				c = n.client(t, n.token)
			}
			kept := purgeSoon(t, c, "kept").Epoch
			testkit.Eventually(t, deadline, func() error {
				if edge.Stats().Branches.Load() == 0 || edge.Applied() < kept || !edge.Live(time.Now()) {
					return fmt.Errorf("branches %d, applied %d, want %d, live %t", edge.Stats().Branches.Load(), edge.Applied(), kept, edge.Live(time.Now()))
				}
				return nil
			})
			anything := []object.Scope{invalidation.TagScope("", "never purged")}
			for stamp := fork; stamp <= lost; stamp++ {
				if got := edge.Index().Check(stamp, anything); got != invalidation.Dead {
					t.Errorf("stamp %d is %s", stamp, got)
				}
			}
			later := n.process(t, "edge-2", "127.0.0.1:1002")
			<-later.joined
			if got := later.Index().Check(lost, anything); got != invalidation.Dead {
				t.Errorf("on a node that joins later stamp %d is %s", lost, got)
			}
			if p := mustPurge(t, c, client.PurgeRequest{All: true, Wait: "10s"}, ""); outcome(p) != "complete edge-1:applied edge-2:applied" {
				t.Error(outcome(p))
			}
			n.hasBranched(t, restart)
		})
	}
}

// purgeSoon purges a tag once the database is there.
func purgeSoon(t *testing.T, c *client.Client, tag string) (p client.Purge) {
	t.Helper()
	testkit.Eventually(t, deadline, func() (err error) {
		r := tagged(tag)
		r.Wait = "10s"
		p, err = c.CreatePurge(t.Context(), r, "")
		return err
	})
	return p
}

// hasBranched wants one term in the log that says so; told: by a node, else control found it out itself.
func (n *controlNode) hasBranched(t *testing.T, told bool) {
	t.Helper()
	rows, err := n.store.Log(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	terms := 0
	for _, r := range rows {
		if e, err := r.Entry(); err == nil && e.Term != nil && e.Term.Purge == "hard" {
			terms++
			t.Log(e.Term.Reason)
		}
	}
	if found := n.sequencer.Stats().Branches.Load(); terms != 1 || (found == 0) != told {
		t.Errorf("%d terms, control found %d branches itself", terms, found)
	}
}
