package postgres

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"tiercache/shared/testkit"
)

func openReader(t *testing.T, url string) *Reader {
	t.Helper()
	r, err := OpenReader(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// TestReader_Settled reads a log of several pages, up to what is too young, and from behind what was removed.
func TestReader_Settled(t *testing.T) {
	url := testkit.Postgres(t)
	s := open(t, Config{URL: url})
	execute(t, s, `INSERT INTO tiercache.outbox (id, kind, body) SELECT 'p' || n, 'purge', '{"tags": ["a"]}' FROM generate_series(1, 2500) AS n`)
	rows, head := follow(t, s, 0)
	execute(t, s, `UPDATE tiercache.log SET at = at - interval '1 hour' WHERE epoch <= $1`, int64(rows[2000].Epoch))
	r := openReader(t, url)
	var got []uint64
	var last Settled
	for after, more := uint64(0), true; more; {
		page, err := r.Settled(t.Context(), after, 30*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Rows {
			if row.Epoch <= after || row.Kind == "purge" && string(row.Body) != `{"tags": ["a"]}` {
				t.Fatalf("behind %d: %+v %s", after, row, row.Body)
			}
			after = row.Epoch
			got = append(got, after)
		}
		last, more = page, page.More
	}
	if len(got) != 2001 || got[2000] != rows[2000].Epoch || last.Floor != 0 || time.Since(last.Now).Abs() > time.Hour {
		t.Errorf("%d of 2001 entries, the last page %+v", len(got), last)
	}
	if all, err := r.Settled(t.Context(), rows[2000].Epoch, 0); err != nil || len(all.Rows) != len(rows)-2001 || all.Rows[len(all.Rows)-1].Epoch != head {
		t.Errorf("%d entries are behind that, %v", len(all.Rows), err)
	}
	execute(t, s, `UPDATE tiercache.server SET compacted = $1`, int64(rows[10].Epoch))
	execute(t, s, `DELETE FROM tiercache.log WHERE epoch <= $1`, int64(rows[10].Epoch))
	if page, err := r.Settled(t.Context(), 0, 30*time.Minute); err != nil || page.Floor != rows[10].Epoch || page.Rows[0].Epoch != rows[11].Epoch {
		t.Errorf("behind what was removed: floor %d, %v", page.Floor, err)
	}
}

// TestReader_WritesNothing tries to, with the reader's own connections.
func TestReader_WritesNothing(t *testing.T) {
	url := testkit.Postgres(t)
	open(t, Config{URL: url})
	r := openReader(t, url)
	for _, sql := range []string{`DELETE FROM tiercache.log`, `INSERT INTO tiercache.outbox (kind, body) VALUES ('purge', '{}')`, `CREATE TABLE t ()`} {
		if _, err := r.pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s is not refused", sql)
		}
	}
}

// TestReader_NeedsToReadNoMore is a role that may read what the reader says it needs.
func TestReader_NeedsToReadNoMore(t *testing.T) {
	url := testkit.Postgres(t)
	s := open(t, Config{URL: url})
	role := fmt.Sprintf("auditor_%d", time.Now().UnixNano())
	for _, sql := range []string{
		`CREATE ROLE ` + role, `GRANT USAGE ON SCHEMA tiercache TO ` + role, `GRANT SELECT ON tiercache.log, tiercache.state TO ` + role,
	} {
		execute(t, s, sql)
	}
	t.Cleanup(func() { execute(t, s, `DROP OWNED BY `+role); execute(t, s, `DROP ROLE `+role) })
	r := openReader(t, url)
	conn, err := r.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), `SET ROLE `+role)
	conn.Release()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Settled(t.Context(), 0, 0); err != nil {
		t.Error(err)
	}
}

func TestReader_WithoutAServer(t *testing.T) {
	r := openReader(t, "postgres://tiercache@"+testkit.FreeAddr(t)+"/tiercache")
	if _, err := r.Settled(t.Context(), 0, 0); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
