package schema

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/controllog"
)

func TestInvalidate_WhatItNames(t *testing.T) {
	d := installed(t)
	d.do(t, `SELECT tiercache.invalidate('{product-17,"Summer Sale",Summer%20Sale}'), tiercache.invalidate('{a}', 'shop', 'soft'),
		tiercache.invalidate(tags => '{b}', mode => 'soft'), tiercache.invalidate('{}'), tiercache.invalidate(NULL),
		tiercache.invalidate_url('https://Shop.example:443/a?b=1', 'soft'), tiercache.invalidate_url('http://*/a'), tiercache.invalidate_prefix('http://shop.example/img/')`)
	got, err := json.Marshal(d.purges(t))
	want := `[{"mode":"hard","tags":["Summer%20Sale","product-17"]},{"mode":"soft","service":"shop","tags":["a"]},{"mode":"soft","tags":["b"]},` +
		`{"mode":"soft","urls":[{"host":"shop.example","path":"/a","query":"?b=1"}]},{"mode":"hard","urls":[{"host":"*","path":"/a"}]},` +
		`{"mode":"hard","prefixes":[{"host":"shop.example","path":"/img/"}]}]`
	if err != nil || string(got) != want {
		t.Errorf("got  %s\nwant %s, %v", got, want, err)
	}
}

func TestInvalidate_SaysWhatIsWrong(t *testing.T) {
	d := installed(t)
	for sql, says := range map[string]string{
		`SELECT tiercache.invalidate(ARRAY['a', NULL])`:                            "tag 2 is NULL",
		`SELECT tiercache.invalidate(ARRAY[''])`:                                   "tag 1 is empty",
		`SELECT tiercache.invalidate(ARRAY['a', repeat('x', 1025)])`:               "tag 2 has more than 1024 bytes",
		`SELECT tiercache.invalidate(ARRAY[repeat('ä', 171)])`:                     "tag 1 has more than 1024 bytes",
		`SELECT tiercache.invalidate('{a}', 'Shop')`:                               "'Shop' is not the name of a service",
		`SELECT tiercache.invalidate('{a}', 'x'';DROP TABLE tiercache.outbox;--')`: "is not the name of a service",
		`SELECT tiercache.invalidate('{a}', NULL, 'firm')`:                         "hard or soft, and not 'firm'",
		`SELECT tiercache.invalidate('{a}', NULL, NULL)`:                           "and not NULL",
		`SELECT tiercache.invalidate_url('/a')`:                                    "URL '/a': it is no absolute URL",
		`SELECT tiercache.invalidate_url(NULL)`:                                    "it is NULL",
		`SELECT tiercache.invalidate_url('http://a/', '')`:                         "hard or soft",
		`SELECT tiercache.invalidate_prefix('http://a/b')`:                         "ends with /",
		`SELECT tiercache.invalidate_prefix('http://a/b/?c')`:                      "has no query",
		`SELECT tiercache.invalidate_prefix('http://*/b/')`:                        "of one host",
	} {
		d.fails(t, "22023", says, sql)
	}
	d.fails(t, "54000", "100000 tags, and this one has 100001", `SELECT tiercache.invalidate(ARRAY(SELECT n::text FROM generate_series(1, 100001) n))`)
	d.purged(t, "refused")
}

func TestInvalidate_ManyTagsAreSeveralEntriesOfOnePurge(t *testing.T) {
	d := installed(t)
	id := value[string](t, d, `SELECT tiercache.invalidate(ARRAY(SELECT n::text FROM generate_series(1, 4096 * 2 + 1) n), 'shop', 'soft')`)
	found, sum := d.purges(t), 0
	for _, p := range found {
		if sum += len(p.Tags); p.Service != "shop" || p.Mode != "soft" {
			t.Errorf("%+v", p)
		}
	}
	if len(found) != 3 || sum != 8193 || len(found[0].Tags) != controllog.MaxScopes {
		t.Errorf("%d entries, %d tags", len(found), sum)
	}
	if n := value[int](t, d, `SELECT count(*) FROM tiercache.sequenced WHERE id IN ($1 || '/0', $1 || '/1', $1 || '/2')`, id); n != 3 {
		t.Errorf("%d entries have the purge's id", n)
	}
	if last := value[bool](t, d, `SELECT tiercache.epoch_of($1) = (SELECT max(epoch) FROM tiercache.log)`, id); !last {
		t.Error("its epoch is not that of its last entry")
	}
}

func TestParseURL_SharedVectors(t *testing.T) {
	b, err := os.ReadFile("../controllog/testdata/urls.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		In    string `json:"url"`
		Error bool   `json:"error"`
		controllog.URL
	}
	if err := json.Unmarshal(b, &vectors); err != nil || len(vectors) < 40 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	d := installed(t)
	for _, v := range vectors {
		if v.Error {
			d.fails(t, "22023", "URL", "SELECT tiercache.invalidate_url($1)", v.In)
			continue
		}
		got := value[string](t, d, "SELECT host || ' ' || path || ' ' || coalesce(query, '') FROM tiercache.parse_url($1)", v.In)
		if want := v.Host + " " + v.Path + " " + v.Query; got != want {
			t.Errorf("%q: %q, want %q", v.In, got, want)
		}
	}
}

func TestEpochOf(t *testing.T) {
	ctx, d := context.Background(), installed(t)
	other := dial(t, d.location)

	d.do(t, "BEGIN")
	id := value[string](t, d, "SELECT tiercache.invalidate('{a}')")
	d.do(t, "SAVEPOINT s")
	d.fails(t, "25001", "of this very transaction, and has an epoch only after the commit", "SELECT tiercache.epoch_of($1)", id)
	d.do(t, "ROLLBACK TO s")
	if epoch := value[*int64](t, other, "SELECT tiercache.epoch_of($1, '10 ms')", id); epoch != nil {
		t.Errorf("before the commit another session is told epoch %d", *epoch)
	}
	d.do(t, "COMMIT")

	done := make(chan error, 1)
	go func() {
		_, err := other.Exec(ctx, "SELECT FROM pg_sleep(0.05), tiercache.sequence()")
		done <- err
	}()
	began := time.Now()
	if epoch := value[*int64](t, d, "SELECT tiercache.epoch_of($1, '20 s')", id); epoch == nil || time.Since(began) > 10*time.Second {
		t.Errorf("after the commit: %v, after %v", epoch, time.Since(began))
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, wait := range []string{"'0'", "'-1 s'", "NULL", "'1 ms'"} {
		if epoch := value[*int64](t, d, "SELECT tiercache.epoch_of('nobody', "+wait+")"); epoch != nil {
			t.Errorf("an unknown write has epoch %d", *epoch)
		}
		if epoch := value[*int64](t, d, "SELECT tiercache.epoch_of($1, "+wait+")", id); epoch == nil {
			t.Errorf("wait %s: no epoch", wait)
		}
	}
	d.do(t, "BEGIN ISOLATION LEVEL REPEATABLE READ")
	if epoch := value[*int64](t, d, "SELECT tiercache.epoch_of($1)", id); epoch == nil {
		t.Error("no epoch in a snapshot that has it")
	}
	d.fails(t, "25001", "no epoch as of the snapshot of this transaction, which is REPEATABLE READ", "SELECT tiercache.epoch_of('later')")
	d.do(t, "ROLLBACK")
}

// Who waits for an epoch keeps nobody from getting one.
func TestEpochOf_HoldsNoLock(t *testing.T) {
	d := installed(t)
	other := dial(t, d.location)
	id := value[string](t, other, "SELECT tiercache.invalidate('{a}')")
	d.do(t, "BEGIN; SELECT tiercache.epoch_of('nobody', '1 ms')")
	other.do(t, "SET lock_timeout = '5s'; SELECT FROM tiercache.sequence()")
	if epoch := value[*int64](t, d, "SELECT tiercache.epoch_of($1)", id); epoch == nil {
		t.Error("no epoch")
	}
}

func TestInvalidate_CommitRollbackSavepointPrepared(t *testing.T) {
	d := installedAt(t, preparing(t))
	d.do(t, "BEGIN; SELECT tiercache.invalidate('{kept}'); SAVEPOINT s; SELECT tiercache.invalidate('{dropped}'); ROLLBACK TO s; SELECT tiercache.invalidate('{last}'); COMMIT")
	d.purged(t, "a savepoint", "kept", "last")
	d.do(t, "BEGIN; SELECT tiercache.invalidate('{x}'); ROLLBACK")
	d.purged(t, "a rollback")
	for _, end := range []string{"COMMIT", "ROLLBACK"} {
		d.do(t, "BEGIN; SELECT tiercache.invalidate('{two-phase}'); PREPARE TRANSACTION 'p'")
		d.purged(t, "prepared")
		d.do(t, end+" PREPARED 'p'")
		if end == "COMMIT" {
			d.purged(t, "committed", "two-phase")
		}
	}
	d.purged(t, "rolled back")
}

func TestViews_PendingAndSequenced(t *testing.T) {
	d := installed(t)
	d.do(t, `SELECT tiercache.invalidate('{a}', 'shop'); INSERT INTO tiercache.outbox (id, kind, body) VALUES ('t', 'token', '{"id": "tok_1", "name": "ci", "hash": "secret"}')`)
	list := func(view string) string {
		rows, err := d.Query(context.Background(), "SELECT kind || ' ' || coalesce(mode, '-') || ' ' || names FROM tiercache."+view+" ORDER BY kind")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(lines, "; ")
	}
	const purge, token = `purge hard {"tags": ["a"], "service": "shop"}`, `token - {"name": "ci"}`
	if got := list("pending"); got != purge+"; "+token {
		t.Errorf("pending: %s", got)
	}
	d.purges(t)
	if got, want := list("sequenced"), fmt.Sprintf(`%s; term - {"reason": "the log begins"}; %s`, purge, token); got != want || list("pending") != "" {
		t.Errorf("sequenced: %s, want %s; pending: %s", got, want, list("pending"))
	}
}
