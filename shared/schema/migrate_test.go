package schema

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/testkit"
)

func config(t *testing.T, location string) *pgx.ConnConfig {
	t.Helper()
	cc, err := pgx.ParseConfig(location)
	if err != nil {
		t.Fatal(err)
	}
	return cc
}

func query(t *testing.T, location, sql string) (s string, err error) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, location)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, sql).Scan(&s)
	return s, err
}

func TestMigrateControl_ManyAtOnceAndAgain(t *testing.T) {
	location := testkit.Postgres(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := MigrateControl(context.Background(), config(t, location)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, err := query(t, location, "SELECT count(*) || ' ' || min(kind) FROM tiercache.log"); err != nil || n != "1 term" {
		t.Errorf("the log has %s entries, %v", n, err)
	}
}

// A user who owns the schema and nothing else can do it all.
func TestMigrateControl_LeastRights(t *testing.T) {
	location := testkit.Postgres(t)
	role := strings.ToLower("r_" + strings.TrimPrefix(config(t, location).Database, "test_"))
	for _, sql := range []string{
		"CREATE ROLE " + role + " LOGIN PASSWORD 'x'",
		"REVOKE CREATE ON DATABASE \"" + config(t, location).Database + "\" FROM PUBLIC",
	} {
		_, _ = query(t, location, sql) // without a row
	}
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "x")
	if err := MigrateControl(context.Background(), config(t, u.String())); err == nil || !strings.Contains(err.Error(), "create the schema tiercache") {
		t.Errorf("without any right: %v", err)
	}
	_, _ = query(t, location, "CREATE SCHEMA tiercache AUTHORIZATION "+role)
	if err := MigrateControl(context.Background(), config(t, u.String())); err != nil {
		t.Errorf("with the schema: %v", err)
	}
	if kind, err := query(t, u.String(), "SELECT kind FROM tiercache.log"); err != nil || kind != "term" {
		t.Errorf("the log begins with %q, %v", kind, err)
	}
	// The next term is made on another server: the check of its identity needs no more rights.
	_, _ = query(t, u.String(), "UPDATE tiercache.server SET system_id = 1, timeline = 'x'")
	if n, err := query(t, u.String(), "SELECT count(*)::text FROM tiercache.sequence()"); err != nil || n != "1" {
		t.Errorf("a new term: %s, %v", n, err)
	}
	if err := dropRole(location, role); err != nil {
		t.Error(err)
	}
}

func dropRole(location, role string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, location)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role)
	return err
}

func TestMigrate_AnotherSchema(t *testing.T) {
	location := testkit.Postgres(t)
	files := fstest.MapFS{"00001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE \"other\".a (n int);\n-- +goose Down\nDROP TABLE \"other\".a;")}}
	cc := config(t, location)
	cc.RuntimeParams["statement_timeout"] = "1234"
	for range 2 {
		if err := Migrate(context.Background(), cc, "other", files); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := query(t, location, "SELECT count(*)::text FROM other.a"); err != nil || n != "0" {
		t.Errorf("%s, %v", n, err)
	}
	if cc.RuntimeParams["statement_timeout"] != "1234" {
		t.Error("the caller's configuration was changed")
	}
	broken := fstest.MapFS{"00002_b.sql": {Data: []byte("-- +goose Up\nCREATE TABLE nonsense;")}}
	if err := Migrate(context.Background(), cc, "other", broken); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("a broken migration: %v", err)
	}
}

func TestMigrateControl_DatabaseWithAnotherIsolationLevel(t *testing.T) {
	location := testkit.Postgres(t)
	_, _ = query(t, location, `ALTER DATABASE "`+config(t, location).Database+`" SET default_transaction_isolation = 'repeatable read'`)
	if err := MigrateControl(context.Background(), config(t, location)); err != nil {
		t.Error(err)
	}
}

func TestMigrateControl_Down(t *testing.T) {
	location := testkit.Postgres(t)
	if err := MigrateControl(context.Background(), config(t, location)); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, location)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	steps, _, err := reversed()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if _, err := conn.Exec(ctx, step.statements); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
	var left int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_class WHERE relnamespace = 'tiercache'::regnamespace AND relname NOT LIKE 'goose%'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d relations are left, %v", left, err)
	}
}

// Purges from before it was kept which token they came with are those of its name.
func TestMigrateControl_PurgesWithoutAToken(t *testing.T) {
	location, ctx := testkit.Postgres(t), context.Background()
	if err := MigrateControl(ctx, config(t, location)); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, location)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	b, err := migrations.ReadFile("migrations/00008_purge_token.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, down, _ := strings.Cut(string(b), "-- +goose Down")
	const old = `INSERT INTO tiercache.purges (id, key, by_name, by_from, request, entries) VALUES ('a', 'k', 'ci', '', '{}', 1), ('b', 'k', 'admin', '', '{}', 1)`
	for _, sql := range []string{down, old, up} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	var found string
	if err := conn.QueryRow(ctx, "SELECT string_agg(by_token || ' ' || key, ', ' ORDER BY id) FROM tiercache.purges").Scan(&found); err != nil || found != "ci k, admin k" {
		t.Errorf("%s, %v", found, err)
	}
}
