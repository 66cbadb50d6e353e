package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// databaseKinds are faults of PostgreSQL.
func databaseKinds() []kind {
	return []kind{
		{name: "postgres-crash", alone: true, begin: crashDatabase},
		{name: "postgres-stop", alone: true, begin: pauseDatabase},
		{name: "postgres-promotion", alone: true, begin: promoteStandby, lasts: 2 * time.Second},
		{name: "postgres-restore", alone: true, begin: restoreBackup, lasts: 2 * time.Second},
		{name: "postgres-cold-copy", alone: true, begin: coldCopy, lasts: 2 * time.Second},
		{name: "disk-full", alone: true, begin: fillDisk, lasts: 2 * time.Second},
	}
}

// crashDatabase kills the server with all its processes.
func crashDatabase(_ context.Context, t *trouble) (string, lift, error) {
	d := t.fleet.db
	return "PostgreSQL is killed", d.start, d.part.kill()
}

func pauseDatabase(_ context.Context, t *trouble) (string, lift, error) {
	d := t.fleet.db
	return "PostgreSQL is stopped", func(context.Context) error { return d.part.resume() }, d.part.pause()
}

// promoteStandby has a standby follow, kills the server and lets the standby take its place. Replication is not synchronous,
// and in half of all cases the standby hears of nothing any more for a while before that: what was committed meanwhile is lost.
func promoteStandby(ctx context.Context, t *trouble) (string, lift, error) {
	f := t.fleet
	standby, err := f.db.backup(ctx, "-R")
	if err != nil {
		return "", nil, err
	}
	if err := standby.start(ctx); err != nil {
		return "", nil, err
	}
	lags, what := t.draw.in(50), "a standby of PostgreSQL takes its place later"
	if lags {
		what = "a standby of PostgreSQL lags, and takes its place later"
		if err := standby.part.host.cut(ctx, "lag", []string{addr(f.db.host)}, true, true); err != nil {
			return "", nil, err
		}
	}
	return what, func(ctx context.Context) error {
		if err := f.db.part.kill(); err != nil {
			return err
		}
		if err := standby.part.host.set(ctx, "lag"); err != nil {
			return err
		}
		if err := standby.run(ctx, "SELECT pg_promote(true, 30)"); err != nil {
			return err
		}
		t.lose(what)
		return f.replace(standby)
	}, nil
}

// restoreBackup puts a base backup in the place of the database: what was committed since is lost. Half of them go on on the
// same WAL timeline, as a copy of the files does, the others on a new one, as a restore from an archive does.
func restoreBackup(ctx context.Context, t *trouble) (string, lift, error) {
	f := t.fleet
	backup, err := f.db.backup(ctx, "-X", "stream")
	if err != nil {
		return "", nil, err
	}
	what := "PostgreSQL is backed up, and set back to that later"
	if t.draw.in(50) {
		what += ", on a timeline of its own"
		if err := backup.append("postgresql.auto.conf", "restore_command = 'false'", "recovery_target = 'immediate'", "recovery_target_action = 'promote'"); err != nil {
			return "", nil, err
		}
		if err := backup.append("recovery.signal"); err != nil {
			return "", nil, err
		}
	}
	return what, func(ctx context.Context) error {
		if err := f.db.stop(ctx); err != nil {
			return err
		}
		if err := backup.start(ctx); err != nil {
			return err
		}
		if err := backup.writable(ctx); err != nil {
			return err
		}
		// Or the next standby that is made of it takes them for its own.
		for _, setting := range []string{"restore_command", "recovery_target", "recovery_target_action"} {
			if err := backup.run(ctx, "ALTER SYSTEM RESET "+setting); err != nil {
				return err
			}
		}
		t.lose(what)
		return f.replace(backup)
	}, nil
}

// writable waits until a server takes writes.
func (d *database) writable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serverTime)
	defer cancel()
	for {
		recovering := true
		err := d.query(ctx, "SELECT pg_is_in_recovery()", func(row []string) { recovering = row[0] == "t" })
		if err == nil && !recovering {
			return nil
		}
		if stop := rest(ctx, 50*time.Millisecond); stop != nil {
			return fmt.Errorf("PostgreSQL takes no writes: %v: %w", err, stop)
		}
	}
}

// coldCopy copies the files of the database while it is down, goes on with the original, and then with the copy, which has
// more writes by then than any node has heard of, under the same numbers: the clock is a day behind, so that the terms that
// both begin have no number of their own.
func coldCopy(ctx context.Context, t *trouble) (string, lift, error) {
	f := t.fleet
	if err := f.db.stop(ctx); err != nil {
		return "", nil, err
	}
	clone, err := f.db.copy(ctx)
	if err != nil {
		return "", nil, err
	}
	if err := setClock(postgresAddr, -24*60*60); err != nil {
		return "", nil, err
	}
	if err := f.db.start(ctx); err != nil {
		return "", nil, err
	}
	const what = "the files of PostgreSQL are copied, and the copy takes its place later, with more writes"
	return what, func(ctx context.Context) error {
		rows, err := f.db.log(ctx)
		if err != nil {
			return err
		}
		if err := f.db.stop(ctx); err != nil {
			return err
		}
		if err := clone.start(ctx); err != nil {
			return err
		}
		if err := clone.outgrow(ctx, rows[len(rows)-1].Epoch); err != nil {
			return err
		}
		t.lose(what)
		if err := f.replace(clone); err != nil {
			return err
		}
		return setClock(postgresAddr, 0)
	}, nil
}

// outgrow writes until the log reaches beyond an epoch.
func (d *database) outgrow(ctx context.Context, epoch uint64) error {
	for range 10 {
		rows, err := d.log(ctx)
		if err != nil {
			return err
		}
		last := rows[len(rows)-1].Epoch
		if last > epoch {
			return nil
		}
		if epoch-last > 100_000 {
			return fmt.Errorf("the log of the copy ends at %d, that of the original at %d: a term has told them apart", last, epoch)
		}
		const fill = `INSERT INTO tiercache.outbox (kind, body) SELECT 'purge', '{"tags": ["nothing"]}' FROM generate_series(1, $1::int)`
		if err := d.run(ctx, fill, int(epoch-last)+20); err != nil {
			return err
		}
		if err := d.run(ctx, "SELECT count(*) FROM tiercache.sequence()"); err != nil {
			return err
		}
	}
	return fmt.Errorf("the log of %s does not grow", d.host)
}

// fillDisk leaves no room on the database's disk.
func fillDisk(_ context.Context, t *trouble) (string, lift, error) {
	d := t.fleet.db
	file := filepath.Join(d.dir, "filler")
	lift := func(ctx context.Context) error {
		if err := os.Remove(file); err != nil {
			return err
		}
		if d.part.ended() { // it found no room for its own log: somebody starts it again
			if err := d.part.kill(); err != nil {
				return err
			}
			return d.start(ctx)
		}
		return nil
	}
	return "the disk of PostgreSQL is full", lift, fill(file)
}

// fill makes a file that takes all the room there is.
func fill(file string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	for size := len(block); size > 0; {
		if _, err := out.Write(block[:size]); err != nil {
			size /= 2
		}
	}
	return out.Close()
}
