package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tiercache/control/members"
	"tiercache/control/postgres"
	"tiercache/control/sequencer"
	"tiercache/shared/controllog"
	"tiercache/shared/platform"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

// sqlStore is what control has of PostgreSQL, as far as nodes depend on it.
type sqlStore interface {
	sequencer.Log
	members.Store
}

// writer is somebody's transaction in plain SQL.
type writer interface {
	invalidate(id string, purge controllog.Purge)
	activate(id string, change controllog.ServiceChange)
	commit() error
	rollback()
}

// databases is a database, as control and writers have it.
type databases interface {
	store() sqlStore
	begin(t *testing.T) writer
	// compact removes all entries but the last ones, kept in number.
	compact(t *testing.T)
}

// kept is how many entries compact keeps.
const kept = 3

// servers is a database whose server is the test's own.
type servers interface {
	databases
	crash(t *testing.T)
	start(t *testing.T)
	// backup keeps what there is for restore, which puts it in the place of what there is then.
	backup(t *testing.T)
	restore(t *testing.T)
}

// doubleSQL is the double.
type doubleSQL struct {
	db   *database
	sql  *session
	kept tables
}

func newDoubleSQL(*testing.T) *doubleSQL {
	db := newDatabase(flaws{})
	return &doubleSQL{db: db, sql: &session{db, newNetwork(1), newEndpoint("control-1", "r1"), newEndpoint("postgres", "r1")}}
}

func newDoubleDatabases(t *testing.T) databases { return newDoubleSQL(t) }
func newDoubleServers(t *testing.T) servers     { return newDoubleSQL(t) }

func (d *doubleSQL) store() sqlStore         { return d.sql }
func (d *doubleSQL) begin(*testing.T) writer { return &doubleWriter{d.db.begin()} }
func (d *doubleSQL) compact(*testing.T)      { d.db.compact(kept) }
func (d *doubleSQL) crash(*testing.T)        { d.db.crash() }
func (d *doubleSQL) start(*testing.T)        { d.db.start() }
func (d *doubleSQL) backup(*testing.T)       { d.kept = d.db.backup() }
func (d *doubleSQL) restore(*testing.T)      { d.db.restore(d.kept) }

type doubleWriter struct{ *transaction }

func (w *doubleWriter) commit() error { return w.transaction.commit(func(time.Time) {}) }
func (w *doubleWriter) rollback()     {} // nothing of it was seen

// realSQL is PostgreSQL with the schema.
type realSQL struct {
	url     string
	control *postgres.Store

	// Of a server of the test's own.
	cfg    platform.PostgresConfig
	server *platform.Postgres
}

func newRealDatabases(t *testing.T) databases {
	url := testkit.Postgres(t)
	return &realSQL{url: url, control: openControl(t, postgres.Config{URL: url})}
}

// openControl runs a store until the test ends.
func openControl(t *testing.T, cfg postgres.Config) *postgres.Store {
	t.Helper()
	cfg.CompactInterval = time.Hour // tests call Compact
	s, err := postgres.New(cfg, slog.New(slog.DiscardHandler), runner.NewHealth().Component("postgres", true))
	if err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, s.Run)
	testkit.Eventually(t, patience, func() error { _, err := s.Members(t.Context()); return err })
	return s
}

// runUntilEnd runs a part of a node whose end is always that of its context.
func runUntilEnd(t *testing.T, run func(context.Context, func()) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = run(ctx, func() {}) // ends with its context
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func (r *realSQL) store() sqlStore           { return r.control }
func (r *realSQL) begin(t *testing.T) writer { return &realWriter{t, testkit.Begin(t, r.url)} }

func (r *realSQL) compact(t *testing.T) {
	t.Helper()
	s := openControl(t, postgres.Config{URL: r.url, RetainRows: kept})
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
}

type realWriter struct {
	t  *testing.T
	tx *testkit.Transaction
}

func (w *realWriter) insert(id, kind string, body any) {
	encoded := must[[]byte](w.t)(json.Marshal(body))
	w.tx.Execute("INSERT INTO tiercache.outbox (id, kind, body) VALUES ($1, $2, $3)", id, kind, string(encoded))
}

func (w *realWriter) invalidate(id string, purge controllog.Purge) { w.insert(id, "purge", purge) }
func (w *realWriter) activate(id string, change controllog.ServiceChange) {
	w.insert(id, "service", change)
}
func (w *realWriter) commit() error { return w.tx.Commit() }
func (w *realWriter) rollback() {
	if err := w.tx.Rollback(); err != nil {
		w.t.Error(err)
	}
}

// newRealServers starts a server with fsync, as the double has it.
func newRealServers(t *testing.T) servers {
	dir := must[string](t)(os.MkdirTemp("/var/tmp", "tiercache-test-"))
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // below the folder for temporary files
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	r := &realSQL{cfg: platform.PostgresConfig{Dir: dir, Port: testkit.FreePort(t)}}
	r.start(t)
	t.Cleanup(func() { r.crash(t) })
	r.url = r.server.URL()
	r.control = openControl(t, postgres.Config{URL: r.url})
	return r
}

func (r *realSQL) start(t *testing.T) {
	t.Helper()
	r.server = must[*platform.Postgres](t)(platform.StartPostgres(context.Background(), r.cfg))
	if r.control != nil { // it reads before it writes, while it recovers
		testkit.Eventually(t, patience, func() error { return r.control.Leave(t.Context(), "nobody", "nobody", time.Time{}) })
	}
}

func (r *realSQL) crash(t *testing.T) {
	t.Helper()
	if err := r.server.Process().Kill(); err != nil {
		t.Error(err)
	}
}

// data is where the server keeps all, backup is a copy of it.
func (r *realSQL) data() string { return filepath.Join(r.cfg.Dir, "data") }
func (r *realSQL) copy() string { return filepath.Join(r.cfg.Dir, "backup") }

func (r *realSQL) backup(t *testing.T) {
	t.Helper()
	if err := r.server.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	command(t, "cp", "-a", r.data(), r.copy())
	r.start(t)
}

// restore ends in a new timeline, as each recovery from a backup does.
func (r *realSQL) restore(t *testing.T) {
	t.Helper()
	r.crash(t)
	if err := os.RemoveAll(r.data()); err != nil {
		t.Fatal(err)
	}
	command(t, "cp", "-a", r.copy(), r.data())
	command(t, "cp", "-a", filepath.Join(r.data(), "PG_VERSION"), filepath.Join(r.data(), "recovery.signal"))
	settings := must[*os.File](t)(os.OpenFile(filepath.Join(r.data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0))
	_, err := fmt.Fprintln(settings, "restore_command = 'false'")
	if err != nil || settings.Close() != nil {
		t.Fatal(err)
	}
	r.start(t)
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}
