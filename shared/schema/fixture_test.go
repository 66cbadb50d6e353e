package schema

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tiercache/shared/controllog"
	"tiercache/shared/testkit"
)

// database is a connection to a database with the schema.
type database struct {
	*pgx.Conn
	location string
	notices  []string
}

func installed(t testing.TB) *database {
	t.Helper()
	return installedAt(t, testkit.Postgres(t))
}

func installedAt(t testing.TB, location string) *database {
	t.Helper()
	if _, err := Install(context.Background(), location); err != nil {
		t.Fatal(err)
	}
	return dial(t, location)
}

// dial is a connection of the test's own, closed when it ends.
func dial(t testing.TB, location string) *database {
	t.Helper()
	d := &database{location: location}
	cc, err := pgx.ParseConfig(location)
	if err != nil {
		t.Fatal(err)
	}
	cc.RuntimeParams["search_path"] = "public" // the tests' user is called as our schema is
	cc.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { d.notices = append(d.notices, n.Severity+": "+n.Message) }
	if d.Conn, err = pgx.ConnectConfig(context.Background(), cc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close(context.Background()) }) // ends what is still open
	return d
}

// do runs statements in one transaction of their own, or in the one that is open.
func (d *database) do(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := d.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%.300s: %v", sql, err)
	}
}

// fails runs statements that must not work, and checks what is said and its SQLSTATE.
func (d *database) fails(t testing.TB, code, says, sql string, args ...any) {
	t.Helper()
	_, err := d.Exec(context.Background(), sql, args...)
	pg, _ := err.(*pgconn.PgError)
	if pg == nil || pg.Code != code || !strings.Contains(pg.Message, says) {
		t.Errorf("%.300s: %v, want %s and %q", sql, err, code, says)
	}
}

func value[T any](t testing.TB, d *database, sql string, args ...any) (v T) {
	t.Helper()
	if err := d.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%.300s: %v", sql, err)
	}
	return v
}

// purges sequences the outbox and returns the purges that it held, each of which nodes can read.
func (d *database) purges(t testing.TB) (found []controllog.Purge) {
	t.Helper()
	rows, err := d.Query(context.Background(), "SELECT epoch, id, kind, body FROM tiercache.sequence()")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r controllog.Row, err error) {
		var epoch int64
		return r, row.Scan(&epoch, &r.ID, &r.Kind, &r.Body)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range entries {
		if _, err := r.Entry(); err != nil {
			t.Errorf("nodes cannot read %s: %v", r.ID, err)
		}
		var p controllog.Purge
		if err := json.Unmarshal(r.Body, &p); err != nil {
			t.Fatal(err)
		}
		found = append(found, p)
	}
	return found
}

// words are the purges in the outbox, sorted: tags as they are, "all", "service x".
func (d *database) words(t testing.TB) (found []string) {
	t.Helper()
	for _, p := range d.purges(t) {
		for _, tag := range p.Tags {
			if p.Service != "" {
				tag = p.Service + "/" + tag
			}
			found = append(found, tag)
		}
		for _, s := range p.Services {
			found = append(found, "service "+s)
		}
		if p.All {
			found = append(found, "all")
		}
	}
	slices.Sort(found)
	return found
}

// purged checks what the outbox holds, and empties it.
func (d *database) purged(t testing.TB, after string, want ...string) {
	t.Helper()
	if got := d.words(t); !slices.Equal(got, want) {
		t.Errorf("%s: purged %.400q, want %.400q", after, got, want)
	}
}

// warned checks that warnings, and none else, were given since the last call, each with one of the texts.
func (d *database) warned(t testing.TB, texts ...string) {
	t.Helper()
	got := slices.DeleteFunc(slices.Clone(d.notices), func(n string) bool { return !strings.HasPrefix(n, "WARNING") })
	d.notices = nil
	if len(got) != len(texts) {
		t.Errorf("warnings %q, want %q", got, texts)
		return
	}
	for i, text := range texts {
		if !strings.Contains(got[i], text) {
			t.Errorf("warning %q, want %q", got[i], text)
		}
	}
}

// login makes a role that may log in, and connects as it.
func (d *database) login(t testing.TB, grants ...string) *database {
	t.Helper()
	role := "app_" + strings.ToLower(strings.TrimPrefix(d.Config().Database, "test_"))
	d.do(t, "CREATE ROLE "+role+" LOGIN PASSWORD 'x'")
	t.Cleanup(func() {
		if err := dropRole(d.location, role); err != nil {
			t.Error(err)
		}
	})
	for _, g := range grants {
		d.do(t, g+" TO "+role)
	}
	u, err := url.Parse(d.location)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "x")
	return dial(t, u.String())
}

// preparing is a database of a server of the test's own that takes prepared transactions.
func preparing(t testing.TB) string {
	t.Helper()
	p := testkit.PostgresProc(t)
	testkit.Execute(t, p.URL, "ALTER SYSTEM SET max_prepared_transactions = 10")
	p.Kill9()
	p.Restart()
	return p.URL
}
