package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/shared/schema"
	"tiercache/shared/testkit"
)

// behind is a database behind a pooler that has few connections to it.
func behind(t *testing.T) string {
	t.Helper()
	return testkit.PgBouncer(t, testkit.Postgres(t), 5) + "&pooler=transaction"
}

// Nodes that start at once leave room for the one that migrates.
func TestPooler_ManyNodesMigrateAtOnce(t *testing.T) {
	location := testkit.PgBouncer(t, testkit.Postgres(t), 3) + "&pooler=transaction"
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			cfg, err := schema.ParseLocation(location)
			if err == nil {
				err = schema.MigrateControl(context.Background(), cfg.ConnConfig)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// writer is a connection through the pooler, as an application may have it.
func writer(t *testing.T, location string) *pgxpool.Pool {
	t.Helper()
	cfg, err := schema.ParseLocation(location)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Four control nodes and sixteen writers share five connections to the server, of which each has one for a transaction at
// a time: functions, watched tables and the purge API, with transactions that are rolled back or stay open for a while.
func TestPooler_ManyControlNodesAndWriters(t *testing.T) {
	const nodes, writers, each = 4, 16, 40
	location := behind(t)
	var stores []*Store
	for range nodes {
		stores = append(stores, open(t, Config{URL: location, MaxConns: 4}))
	}
	start := poll1(t, stores[0], 0).Head
	app := writer(t, location)
	for _, statement := range []string{"CREATE TABLE public.products (id text PRIMARY KEY)", "SELECT tiercache.watch('public.products', 'product:{id}')"} {
		if _, err := app.Exec(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var committed sync.Map // what is purged, by name
	var left atomic.Int64
	left.Store(writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			defer left.Add(-1)
			random := rand.New(rand.NewPCG(uint64(w), 11))
			for i := range each {
				name := fmt.Sprintf("%d-%d", w, i)
				if err := writeBehind(app, stores[w%nodes], random, name, &committed); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	for _, s := range stores {
		wg.Go(func() {
			for after := start; left.Load() > 0; {
				p, err := s.Poll(context.Background(), after)
				if err != nil {
					t.Error(err)
					return
				}
				after = p.Head
			}
		})
	}
	wg.Wait()
	wantEachOnce(t, stores[0], start, &committed)
}

// writeBehind makes one purge of a tag of that name, in one of the ways there are.
func writeBehind(app *pgxpool.Pool, s *Store, random *rand.Rand, name string, committed *sync.Map) error {
	ctx := context.Background()
	if random.IntN(4) == 0 {
		committed.Store(name, true)
		_, _, err := s.AddPurge(ctx, newPurge("p"+name, "", name))
		return err
	}
	tx, err := app.Begin(ctx)
	if err != nil {
		return err
	}
	statement := "SELECT tiercache.invalidate(ARRAY[$1])"
	if random.IntN(2) == 0 {
		statement = "INSERT INTO public.products VALUES ($1)"
	}
	if _, err := tx.Exec(ctx, statement, name); err != nil {
		return err
	}
	switch random.IntN(4) {
	case 0:
		return tx.Rollback(ctx)
	case 1:
		if _, err := tx.Exec(ctx, "SELECT pg_sleep(0.005)"); err != nil {
			return err
		}
	}
	committed.Store(name, true) // before the commit: it may be sequenced at once
	return tx.Commit(ctx)
}

// wantEachOnce wants each of the tags that were committed in the log once, and no other.
func wantEachOnce(t *testing.T, s *Store, start uint64, committed *sync.Map) {
	t.Helper()
	rows, _ := follow(t, s, start) // which checks the chain
	found, chain := map[string]int{}, uint64(0)
	for i, r := range rows {
		if i > 0 && r.PrevChain != chain {
			t.Errorf("%d: the hash before is %x and not %x", r.Epoch, r.PrevChain, chain)
		}
		chain = r.Chain
		var p struct{ Tags []string }
		if err := json.Unmarshal(r.Body, &p); err != nil || len(p.Tags) != 1 {
			t.Errorf("%s: %s, %v", r.ID, r.Body, err)
			continue
		}
		found[strings.TrimPrefix(p.Tags[0], "product:")]++
	}
	want := 0
	committed.Range(func(name, _ any) bool {
		want++
		if n := found[name.(string)]; n != 1 {
			t.Errorf("%s was committed, and is in the log %d times", name, n)
		}
		return true
	})
	if len(found) != want || want == 0 {
		t.Errorf("%d tags in the log, %d committed", len(found), want)
	}
	t.Logf("%d purges", want)
}
