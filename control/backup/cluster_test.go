package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tiercache/shared/schema"
	"tiercache/shared/testkit"
)

const patience = 2 * time.Minute

// kept is a cluster that archives to a repository, with the control log and the origin's tables.
type kept struct {
	*testkit.Cluster
	dir        string // that of the server's account
	repository string
	program    string
	marks      []mark
}

// mark is a moment: an entry of the log, and an object, were committed before it and after the mark before it.
type mark struct {
	epoch uint64
	at    time.Time
}

// keepCluster starts one, takes a base backup, makes some marks and waits until they are archived.
func keepCluster(t *testing.T) *kept {
	t.Helper()
	inMemory(t)
	c := testkit.PostgresCluster(t)
	k := &kept{Cluster: c, dir: filepath.Dir(c.Data())}
	k.repository, k.program = filepath.Join(k.dir, "repository"), filepath.Join(k.dir, "program")
	content, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	c.Append("postgresql.auto.conf", fmt.Sprintf("archive_mode = on\narchive_command = '%s control backup archive --repository %s %%p'\n", k.program, k.repository))
	c.Stop()
	c.Start()
	if _, err := schema.Install(t.Context(), c.URL); err != nil {
		t.Fatal(err)
	}
	tables, err := os.ReadFile("../../origin/postgres/migrations/00001_objects.sql")
	if err != nil {
		t.Fatal(err)
	}
	up, _, _ := strings.Cut(string(tables), "-- +goose Down")
	testkit.Execute(t, c.URL, "CREATE SCHEMA origin")
	for statement := range strings.SplitSeq(up, ";\n") {
		testkit.Execute(t, c.URL, statement)
	}
	k.take(t, 0)
	for range 3 {
		k.mark(t)
	}
	k.archived(t)
	return k
}

// inMemory has folders for temporary files in memory, where there is some: what is waited for is not the disk then, which
// each restore has a thousand files on.
func inMemory(t *testing.T) {
	t.Helper()
	const dir, room = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) == nil && int64(fs.Bavail)*fs.Bsize > room {
		t.Setenv("TMPDIR", dir)
	}
}

func (k *kept) take(t *testing.T, keep int) *Taken {
	t.Helper()
	r, err := OpenOrCreate(k.repository)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := r.Take(t.Context(), TakeOptions{Location: k.URL, Keep: keep, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if len(taken.Warnings) > 0 {
		t.Errorf("warnings: %v", taken.Warnings)
	}
	return taken
}

func (k *kept) open(t *testing.T) *Repository {
	t.Helper()
	r, err := Open(k.repository)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func query[T any](t *testing.T, url, sql string) (v T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// mark writes an object and a purge of it in one transaction, and sequences.
func (k *kept) mark(t *testing.T) {
	t.Helper()
	n := len(k.marks)
	body := fmt.Sprintf("body %d", n)
	sum := sha256.Sum256([]byte(body))
	testkit.Execute(t, k.URL, fmt.Sprintf(`WITH b AS (INSERT INTO origin.bodies (id, sha256, size) VALUES (gen_random_uuid(), '\x%x', %d) RETURNING id),
		c AS (INSERT INTO origin.chunks (body_id, index, checksum, bytes) SELECT id, 0, 0, '%s' FROM b),
		v AS (INSERT INTO origin.versions (host, path, body_id, fields) SELECT 'h', '/%d', id, '{}' FROM b RETURNING id),
		o AS (INSERT INTO origin.objects (host, path, version_id) SELECT 'h', '/%d', id FROM v)
		INSERT INTO tiercache.outbox (kind, body) VALUES ('purge', '{"mode": "hard", "tags": ["t%d"]}')`, sum, len(body), body, n, n, n))
	testkit.Execute(t, k.URL, "SELECT FROM tiercache.sequence()")
	k.marks = append(k.marks, mark{query[uint64](t, k.URL, "SELECT epoch FROM tiercache.state"), query[time.Time](t, k.URL, "SELECT clock_timestamp()")})
}

// archived waits until all that is committed is in the archive.
func (k *kept) archived(t *testing.T) {
	t.Helper()
	file := query[string](t, k.URL, "SELECT pg_walfile_name(pg_switch_wal())")
	testkit.Eventually(t, patience, func() error {
		_, err := k.open(t).find(file)
		return err
	})
}

// restore restores beside the cluster; it removes nothing.
func (k *kept) restore(t *testing.T, name string, o RestoreOptions) (*Restored, error) {
	t.Helper()
	o.DataDir, o.Program = filepath.Join(k.dir, name), os.Args[0]
	o.Say = func(format string, args ...any) { t.Logf("  "+format, args...) }
	return k.open(t).Restore(t.Context(), o)
}

// wantRestored restores and wants the last mark to be that one.
func (k *kept) wantRestored(t *testing.T, name string, o RestoreOptions, last int) *Restored {
	t.Helper()
	b, err := k.restore(t, name, o)
	if err != nil {
		t.Fatal(err)
	}
	f := b.Database
	if f.Head != k.marks[last].epoch || f.Objects != int64(last+1) || f.Chained != f.Entries || !f.Read {
		t.Errorf("restored: %+v, want epoch %d and %d objects", f, k.marks[last].epoch, last+1)
	}
	if holds, err := os.ReadDir(filepath.Join(k.dir, name)); err != nil || len(holds) < 10 {
		t.Errorf("the directory has %v, %v", holds, err)
	}
	return b
}

// swap puts a restored directory in the place of the cluster's, whose server does not run.
func (k *kept) swap(t *testing.T, name string) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(k.Data()), os.Rename(filepath.Join(k.dir, name), k.Data())); err != nil {
		t.Fatal(err)
	}
}

func (k *kept) nothingLeft(t *testing.T, name string) {
	t.Helper()
	for _, path := range []string{filepath.Join(k.dir, name), filepath.Join(k.dir, name+workSuffix)} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", path, err)
		}
	}
}

// The whole way: to each kind of target, on from there on a new timeline, and across timelines.
func TestRestore_ToATimeAnEpochAndTheEnd(t *testing.T) {
	k := keepCluster(t)
	if b := k.wantRestored(t, "latest", RestoreOptions{}, 2); b.Timeline != 2 || b.LastCommit.IsZero() {
		t.Errorf("timeline %d, last commit %v", b.Timeline, b.LastCommit)
	}
	k.wantRestored(t, "time", RestoreOptions{Target: Target{Time: k.marks[1].at}}, 1)
	k.wantRestored(t, "epoch", RestoreOptions{Target: Target{Epoch: k.marks[0].epoch}}, 0)

	t.Run("goes on", func(t *testing.T) {
		k.Stop()
		k.swap(t, "time")
		lost := k.marks[2].epoch
		k.marks = k.marks[:2]
		k.Start()
		k.mark(t)
		if term := query[string](t, k.URL, "SELECT body->>'purge' FROM tiercache.log WHERE kind = 'term' ORDER BY epoch DESC LIMIT 1"); term != "soft" {
			t.Errorf("the new term purges %q", term)
		}
		if k.marks[2].epoch <= lost {
			t.Errorf("epoch %d is given after %d was lost", k.marks[2].epoch, lost)
		}
		k.archived(t)
		first := k.wantRestored(t, "across", RestoreOptions{}, 2)
		if first.Reach.Timeline != 2 || first.Timeline != 3 {
			t.Errorf("followed to timeline %d, goes on on %d", first.Reach.Timeline, first.Timeline)
		}
		// What was lost can still be had.
		if b, err := k.restore(t, "lost", RestoreOptions{Timeline: 1}); err != nil || b.Database.Head != lost {
			t.Errorf("timeline 1 ends with %+v, %v, want epoch %d", b, err, lost)
		}
	})
	t.Run("keep", func(t *testing.T) {
		before, err := k.open(t).walFiles()
		if err != nil {
			t.Fatal(err)
		}
		taken := k.take(t, 1)
		if len(taken.Removed) != 1 || taken.RemovedWAL == 0 || taken.Timeline != 2 {
			t.Errorf("taken: %+v", taken)
		}
		after, err := k.open(t).walFiles()
		if err != nil || len(after) >= len(before) {
			t.Errorf("%d files of the log before, %d after, %v", len(before), len(after), err)
		}
		k.mark(t)
		k.archived(t)
		k.wantRestored(t, "kept", RestoreOptions{}, 3)
		if _, err := k.open(t).Verify(t.Context(), "", func(string, ...any) {}); err != nil {
			t.Error(err)
		}
	})
}

func TestRestore_Refuses(t *testing.T) {
	k := keepCluster(t)
	t.Run("targets that nothing leads to", func(t *testing.T) {
		for want, target := range map[error]Target{
			ErrNoBackup: {Time: k.marks[0].at.Add(-time.Hour)},
			ErrTarget:   {Time: time.Now().Add(time.Hour)},
		} {
			_, err := k.restore(t, "none", RestoreOptions{Target: target})
			wantError(t, err, want)
		}
		_, err := k.restore(t, "none", RestoreOptions{Target: Target{Epoch: k.marks[2].epoch + 10}})
		wantError(t, err, ErrTarget, fmt.Sprint(k.marks[2].epoch))
		k.nothingLeft(t, "none")
	})
	t.Run("places with something in them", func(t *testing.T) {
		_, err := k.restore(t, "data", RestoreOptions{})
		wantError(t, err, ErrOccupied, "PostgreSQL (pid ")
		_, err = k.restore(t, "repository", RestoreOptions{})
		wantError(t, err, ErrOccupied, "repository")
	})
	t.Run("a server that cannot be backed up so", func(t *testing.T) {
		testkit.Execute(t, k.URL, "CREATE ROLE plain LOGIN PASSWORD 'plain'")
		_, err := k.open(t).Take(t.Context(), TakeOptions{Location: strings.Replace(k.URL, k.URL[strings.Index(k.URL, "//")+2:strings.Index(k.URL, "@")], "plain:plain", 1)})
		wantError(t, err, ErrUnfit, "ALTER ROLE")
	})
	t.Run("another cluster", func(t *testing.T) {
		r := newRepository(t)
		if err := r.adopt(testSystem, 16<<20); err != nil {
			t.Fatal(err)
		}
		_, err := r.Take(t.Context(), TakeOptions{Location: k.URL})
		wantError(t, err, ErrOtherCluster)
	})
	t.Run("damage", k.refusesDamage)
	t.Run("but not what a dead server has left", func(t *testing.T) {
		k.mark(t)
		k.Crash()
		files, err := filepath.Glob(filepath.Join(k.Data(), "pg_wal", "0*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := k.open(t).Archive(f); err != nil && !strings.Contains(err.Error(), "has not written it yet") {
				t.Error(err)
			}
		}
		k.wantRestored(t, "rescued", RestoreOptions{}, 3)
	})
	t.Run("nor a role that may only copy", func(t *testing.T) {
		k.Start()
		testkit.Execute(t, k.URL, "ALTER ROLE plain REPLICATION")
		taken, err := k.open(t).Take(t.Context(), TakeOptions{Location: strings.Replace(k.URL, k.URL[strings.Index(k.URL, "//")+2:strings.Index(k.URL, "@")], "plain:plain", 1)})
		if err != nil || taken.Head != 0 || len(taken.Warnings) != 1 || !strings.Contains(taken.Warnings[0], "role plain") {
			t.Fatalf("%+v, %v", taken, err)
		}
		k.wantRestored(t, "as superuser", RestoreOptions{Backup: taken.ID}, 3)
	})
}

// refusesDamage flips bits, one file after the other.
func (k *kept) refusesDamage(t *testing.T) {
	r := k.open(t)
	e, err := r.choose("", Target{})
	if err != nil {
		t.Fatal(err)
	}
	verify := func() error {
		_, err := k.open(t).Verify(t.Context(), "", func(string, ...any) {})
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	var base string
	for _, name := range []string{"base/1/1259", "base/1/PG_VERSION", "global/pg_control"} {
		base = filepath.Join(r.data(e.ID), name)
		undo := flip(t, base)
		wantError(t, verify(), ErrDamaged, name)
		_, err := k.restore(t, "none", RestoreOptions{})
		wantError(t, err, ErrDamaged, name)
		undo()
	}
	undo := flip(t, filepath.Join(r.data(e.ID), "backup_manifest"))
	wantError(t, verify(), ErrDamaged, "backup_manifest")
	undo()
	reach, err := r.reach(e, 0)
	if err != nil || reach.Segments < 2 {
		t.Fatalf("%+v, %v", reach, err)
	}
	// The last one: a restore must not end before it as if that were all.
	last := reach.files[len(reach.files)-1].path
	undo = flip(t, last)
	wantError(t, verify(), ErrDamaged, last)
	_, err = k.restore(t, "none", RestoreOptions{})
	wantError(t, err, ErrDamaged, last)
	undo()
	k.nothingLeft(t, "none")

	gap := reach.files[len(reach.files)-2]
	if err := os.Rename(gap.path, gap.path+".away"); err != nil {
		t.Fatal(err)
	}
	wantError(t, verify(), ErrDamaged, gap.name)
	_, err = k.restore(t, "none", RestoreOptions{})
	wantError(t, err, ErrDamaged, gap.name, "name a time")
	if err := os.Rename(gap.path+".away", gap.path); err != nil {
		t.Fatal(err)
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
}

// flip changes a bit in the middle of a file, until undo is called.
func flip(t *testing.T, path string) (undo func()) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change := func(f io.WriterAt) {
		content[len(content)/2] ^= 4
		if _, err := f.WriteAt(content[len(content)/2:len(content)/2+1], int64(len(content)/2)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	change(f)
	return func() {
		change(f)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What the disk has kept may still contradict itself.
func TestExamine_FindsContradictions(t *testing.T) {
	k := keepCluster(t)
	conn, err := pgx.Connect(t.Context(), k.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	examine := func() error {
		var f Findings
		return errors.Join(f.examineLog(t.Context(), conn, &Entry{}), f.examineObjects(t.Context(), conn), f.readBodies(t.Context(), conn, func(string, ...any) {}))
	}
	if err := examine(); err != nil {
		t.Fatal(err)
	}
	middle := k.marks[1].epoch
	for _, c := range []struct{ says, change string }{
		{fmt.Sprint("entry ", middle), fmt.Sprintf(`UPDATE tiercache.log SET body = '{"mode": "soft"}' WHERE epoch = %d`, middle)},
		{fmt.Sprint("entry ", middle+1), fmt.Sprintf(`DELETE FROM tiercache.log WHERE epoch = %d`, middle)},
		{fmt.Sprint("entry ", middle), fmt.Sprintf(`UPDATE tiercache.log SET chain = 7 WHERE epoch = %d`, middle)},
		{"is not what its digest says", `UPDATE origin.chunks SET bytes = 'b0dy 0' WHERE bytes = 'body 0'`},
		{"should have 6", `UPDATE origin.chunks SET bytes = 'body' WHERE bytes = 'body 0'`},
		{"should have 6", `DELETE FROM origin.chunks WHERE bytes = 'body 0'`},
		{"h/1 has no version", `UPDATE origin.objects SET version_id = (SELECT version_id FROM origin.objects WHERE path = '/0') WHERE path = '/1'`},
	} {
		if _, err := conn.Exec(t.Context(), "BEGIN; "+c.change); err != nil {
			t.Fatalf("%s: %v", c.change, err)
		}
		wantError(t, examine(), ErrInconsistent, c.says)
		if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTake_PasswordIsOnNoCommandLine(t *testing.T) {
	bare, secrets, err := withoutPassword("postgres://bob:s3cr%2Ft@h:5/d?sslmode=disable&pooler=transaction")
	if err != nil || bare != "postgres://bob@h:5/d?sslmode=disable" || len(secrets) != 1 || secrets[0] != "PGPASSWORD=s3cr/t" {
		t.Errorf("%s, %v, %v", bare, secrets, err)
	}
	if bare, _, err := withoutPassword("postgres://h/d?user=bob&password=s3cret"); err != nil || strings.Contains(bare, "s3cret") {
		t.Errorf("%s, %v", bare, err)
	}
	if _, _, err := withoutPassword("host=h password=s3cret"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

func TestParseTarget_WantsAZone(t *testing.T) {
	want := time.Date(2026, 11, 30, 17, 38, 0, 0, time.UTC)
	for _, text := range []string{"2026-11-30T17:38:00Z", "2026-11-30T18:38:00+01:00", "2026-11-30 17:38:00Z", "2026-11-30 17:38:00 UTC", "2026-11-30 17:38Z"} {
		if got, err := ParseTarget(text); err != nil || !got.Time.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yesterday", "2026-11-30T17:38:00", "17:38"} {
		if got, err := ParseTarget(text); !errors.Is(err, errTarget) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
