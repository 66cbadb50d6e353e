package schema

import (
	"context"
	"errors"
	"strings"
	"testing"

	"tiercache/shared/testkit"
)

// Who writes to a watched table needs no right on anything of ours.
func TestRights_WriterOfAWatchedTable(t *testing.T) {
	d := shop(t)
	app := d.login(t, "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON products")
	app.do(t, `INSERT INTO products VALUES (2, 'two', 2); UPDATE products SET price = 3 WHERE id = 2; DELETE FROM products WHERE id = 2; TRUNCATE products`)
	d.purged(t, "four changes", "name:one", "name:two", "name:two", "name:two", "product:1", "product:2", "product:2", "product:2")
	app.warned(t)
	for _, sql := range []string{`SELECT tiercache.invalidate('{a}')`, `SELECT FROM tiercache.watches`, `SELECT tiercache.epoch_of('a')`, `INSERT INTO tiercache.outbox (kind, body) VALUES ('purge', '{}')`} {
		app.fails(t, "42501", "permission denied for schema tiercache", sql)
	}
}

func TestRights_GroupRoles(t *testing.T) {
	d := installed(t)
	app := d.login(t, "GRANT tiercache_writer", "GRANT CREATE ON SCHEMA public")
	app.do(t, `SELECT tiercache.invalidate('{a}'), tiercache.invalidate_url('http://a/b'), tiercache.invalidate_prefix('http://a/'), tiercache.epoch_of('x', '0');
		CREATE TABLE own (id int); SELECT tiercache.watch('own', 'own:{id}'); INSERT INTO own VALUES (1), (2);
		SELECT tiercache.watch_in('shop', 'own', 'own:{id}'); TRUNCATE own; SELECT tiercache.unwatch('own')`)
	d.purged(t, "writer", "a", "own:1", "own:2", "shop/own:1", "shop/own:2")
	d.do(t, `CREATE TABLE theirs (id int)`)
	app.fails(t, "42501", "permission denied for table theirs", `SELECT tiercache.watch('theirs', '{id}')`)
	for sql, what := range map[string]string{
		`SELECT FROM tiercache.outbox`: "table outbox", `DELETE FROM tiercache.log`: "table log", `SELECT FROM tiercache.tokens`: "table tokens",
		`SELECT FROM tiercache.pending`: "view pending", `SELECT tiercache.enqueue('{}', '{a}')`: "function enqueue", `SELECT tiercache.sequence()`: "function sequence",
		`SELECT tiercache.hear(1)`: "function hear", `CREATE TABLE tiercache.x ()`: "schema tiercache", `SELECT tiercache.grant_rights()`: "function grant_rights",
	} {
		app.fails(t, "42501", "permission denied for "+what, sql)
	}
	d.do(t, "REVOKE tiercache_writer FROM "+app.Config().User)
	d.do(t, "GRANT tiercache_reader TO "+app.Config().User)
	app.do(t, `SELECT * FROM tiercache.pending; SELECT * FROM tiercache.sequenced; SELECT * FROM tiercache.watches; SELECT tiercache.epoch_of('x', '0')`)
	app.fails(t, "42501", "permission denied for function invalidate", `SELECT tiercache.invalidate('{a}')`)
	app.fails(t, "42501", "permission denied for function watch", `SELECT tiercache.watch('own', 'x')`)
}

// What belongs to a caller is never found in place of ours, nor run with the owner's rights.
func TestRights_SearchPathAndCasts(t *testing.T) {
	d := installed(t)
	app := d.login(t, "GRANT tiercache_writer", "GRANT CREATE ON SCHEMA public", "GRANT CREATE ON DATABASE "+`"`+d.Config().Database+`"`)
	app.do(t, `CREATE TABLE seen (who text);
		CREATE FUNCTION public.trap() RETURNS text LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.seen VALUES (current_user); RETURN ''x''; END';
		CREATE TYPE mood AS (feels text);
		CREATE FUNCTION public.shown(mood) RETURNS text LANGUAGE sql AS 'SELECT trap()';
		CREATE CAST (mood AS text) WITH FUNCTION public.shown(mood) AS IMPLICIT;
		CREATE FUNCTION public.format(text, VARIADIC anyarray) RETURNS text LANGUAGE sql AS 'SELECT trap()';
		CREATE FUNCTION public.format(text, mood) RETURNS text LANGUAGE sql AS 'SELECT trap()';
		CREATE FUNCTION public.array_agg_of(text) RETURNS text LANGUAGE sql AS 'SELECT trap()';
		CREATE SCHEMA tricks; CREATE FUNCTION tricks.octet_length(text) RETURNS int LANGUAGE sql AS 'SELECT length(public.trap())';
		CREATE TABLE t (id int, m mood); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
		CREATE TEMP TABLE tiercache_new (id int, m mood); CREATE TEMP TABLE outbox (id text, kind text, body text); CREATE TYPE pg_temp.jsonb AS ENUM ('x');
		CREATE TYPE pg_temp.text AS ENUM ('x');
		SET search_path = tricks, pg_temp, public, pg_catalog`)
	app.do(t, `SELECT tiercache.watch('public.t', 't:{id}:{m}'); INSERT INTO public.t VALUES (1, ROW('good')::mood); TRUNCATE public.t`)
	if n := value[int](t, d, `SELECT count(*) FROM public.seen WHERE who <> (SELECT rolname FROM pg_roles WHERE oid = (SELECT relowner FROM pg_class WHERE oid = 'public.seen'::regclass))`); n != 0 {
		t.Errorf("%d calls with the owner's rights", n)
	}
	if n := value[int](t, app, `SELECT count(*) FROM pg_temp.outbox`); n != 0 {
		t.Error("a temporary table was taken for the outbox")
	}
	if got := d.words(t); len(got) != 2 || got[1] != "t:1:(good)" {
		t.Errorf("purged %q", got)
	}
}

func TestInstall_WithoutTheRightToMakeRoles(t *testing.T) {
	p := testkit.PostgresProc(t)
	ctx := context.Background()
	testkit.Execute(t, p.URL, "CREATE ROLE plain LOGIN PASSWORD 'x'")
	testkit.Execute(t, p.URL, "CREATE DATABASE plain OWNER plain")
	location := strings.Replace(p.URL, p.URL[strings.Index(p.URL, "://")+3:strings.Index(p.URL, "@")], "plain:x", 1)
	location = location[:strings.LastIndex(location, "/")] + "/plain"
	in, err := Install(ctx, location)
	if err != nil || in.From != 0 || in.To < 12 || len(in.Problems) != 2 || !strings.Contains(in.Problems[0], "CREATE ROLE tiercache_writer") {
		t.Fatalf("%+v, %v", in, err)
	}
	d := dial(t, location)
	d.do(t, `CREATE TABLE t (id int); SELECT tiercache.watch('t', '{id}'); INSERT INTO t VALUES (1); TRUNCATE t`)
	d.purged(t, "without the roles", "1", "1")
	d.warned(t)
	testkit.Execute(t, p.URL, "CREATE ROLE tiercache_writer; CREATE ROLE tiercache_reader")
	if in, err := Upgrade(ctx, location); err != nil || len(in.Problems) != 0 || in.From != in.To {
		t.Errorf("once somebody has made them: %+v, %v", in, err)
	}
	// A table that the owner of the schema may not read is purged whole when it is truncated.
	root := dial(t, strings.TrimSuffix(p.URL[:strings.LastIndex(p.URL, "/")], "/")+"/plain")
	root.do(t, `CREATE TABLE theirs (id int); SELECT tiercache.watch_in('shop', 'theirs', '{id}'); INSERT INTO theirs VALUES (1); TRUNCATE theirs`)
	d.purged(t, "not to be read", "service shop", "shop/1")
	root.warned(t, "purges service shop instead: permission denied for table theirs")
	root.do(t, `DROP TABLE theirs`)
	if kept, err := Remove(ctx, location); err != nil || len(kept) != 2 || !strings.Contains(kept[0], "tiercache_writer") {
		t.Errorf("removed: %q, %v", kept, err)
	}
}

func TestRemove_WithoutATrace(t *testing.T) {
	p := testkit.PostgresProc(t)
	ctx := context.Background()
	const trace = `SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT count(*) FROM pg_proc) || ' ' || (SELECT count(*) FROM pg_trigger) || ' '
		|| (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp') || ' ' || (SELECT count(*) FROM pg_roles) || ' ' || (SELECT count(*) FROM pg_type)`
	plain := dial(t, p.URL)
	plain.do(t, `CREATE TABLE public.t (id int) PARTITION BY LIST (id); CREATE TABLE public.t1 PARTITION OF public.t DEFAULT`)
	before := value[string](t, plain, trace)
	if _, err := Remove(ctx, p.URL); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("nothing is there: %v", err)
	}
	if _, err := Upgrade(ctx, p.URL); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("nothing is there: %v", err)
	}
	d := installedAt(t, p.URL)
	d.do(t, `SELECT tiercache.watch('t', '{id}'); INSERT INTO t VALUES (1); CREATE VIEW public.mine AS SELECT * FROM tiercache.sequenced`)
	if _, err := Remove(ctx, p.URL); err == nil || !strings.Contains(err.Error(), "depend") {
		t.Errorf("a view depends on it: %v", err)
	}
	d.do(t, `INSERT INTO t VALUES (2); DROP VIEW public.mine; SET application_name = 'tiercache-control'`)
	if _, err := Remove(ctx, p.URL); !errors.Is(err, ErrInUse) {
		t.Errorf("a control node is connected: %v", err)
	}
	d.do(t, `RESET application_name; INSERT INTO tiercache.members (node, tier, region, addr, registered_at, seen_at, applied) VALUES ('e', 'edge', 'r', '', now(), now(), 0)`)
	if _, err := Remove(ctx, p.URL); !errors.Is(err, ErrInUse) {
		t.Errorf("a member was heard of: %v", err)
	}
	d.do(t, `UPDATE tiercache.members SET seen_at = now() - interval '1 minute'`)
	if kept, err := Remove(ctx, p.URL); err != nil || len(kept) != 0 {
		t.Errorf("%q, %v", kept, err)
	}
	if after := value[string](t, plain, trace); after != before {
		t.Errorf("before %s, after %s", before, after)
	}
	d.do(t, `INSERT INTO t VALUES (3)`)
	if in, err := Install(ctx, p.URL); err != nil || in.From != 0 {
		t.Errorf("installed again: %+v, %v", in, err)
	}
}
