package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/control/postgres"
	"tiercache/origin"
	originpostgres "tiercache/origin/postgres"
	"tiercache/shared/controllog"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

// written is a write of an object, or what a read has found.
type written struct {
	version    int64 // 0: nothing is there
	epoch      uint64
	begun, end time.Time
}

// origins is the origin's database: one object of it.
type origins interface {
	// put writes the object, and gives the write its epoch at once. Versions rise.
	put(t *testing.T) written
	// putUnsequenced only commits it.
	putUnsequenced(t *testing.T) written
	lookup(t *testing.T) written
	control() sqlStore
}

// doubleOrigin is the double, in a world of which nothing runs.
type doubleOrigin struct {
	w  *world
	mu sync.Mutex // of the object's row
}

func newDoubleOrigin(t *testing.T) origins {
	w := newWorld(1, flaws{})
	t.Cleanup(w.end)
	return &doubleOrigin{w: w}
}

func (d *doubleOrigin) control() sqlStore {
	return &session{d.w.db, d.w.net, newEndpoint("control-1", "r1"), d.w.sql}
}

func (d *doubleOrigin) put(t *testing.T) written { return d.write(t, true) }

func (d *doubleOrigin) putUnsequenced(t *testing.T) written { return d.write(t, false) }

func (d *doubleOrigin) write(t *testing.T, sequence bool) (done written) {
	w, page := d.w, d.w.pages[0]
	done.begun = time.Now()
	if err := w.net.hop(t.Context(), w.origin, w.sql); err != nil {
		t.Error(err)
	}
	id, version := d.commit(t, page)
	done.version = int64(version)
	if sequence {
		done.epoch = w.sequenceAtOrigin(t.Context(), id)
	}
	done.end = time.Now()
	return done
}

// commit commits a version of its own: they rise in the order of commits, as the lock of the object's row makes them.
func (d *doubleOrigin) commit(t *testing.T, page *resource) (id string, version int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	version = d.w.record.version(page)
	id = fmt.Sprint("put/", version)
	tx := d.w.db.begin()
	tx.put(id, page, version)
	if err := tx.commit(func(time.Time) {}); err != nil {
		t.Error(err)
	}
	return id, version
}

func (d *doubleOrigin) lookup(t *testing.T) (found written) {
	w := d.w
	found.begun = time.Now()
	if err := w.net.hop(t.Context(), w.origin, w.sql); err != nil {
		t.Error(err)
	}
	between := func() { _ = sleep(t.Context(), 5*time.Millisecond) } // in which others write, if it is let go
	v, epoch, err := w.db.lookup(w.pages[0].name, between)
	if hopped := w.net.hop(t.Context(), w.sql, w.origin); err != nil || hopped != nil {
		t.Error(err, hopped)
	}
	found.version, found.epoch, found.end = int64(v.n), epoch, time.Now()
	return found
}

// realOrigin is what the origin has of PostgreSQL.
type realOrigin struct {
	url   string
	store *originpostgres.Store
	sql   *postgres.Store
	n     chance
}

func newRealOrigin(t *testing.T) origins {
	url := testkit.Postgres(t)
	s, err := originpostgres.New(originpostgres.Config{URL: url}, slog.New(slog.DiscardHandler), runner.NewHealth().Component("postgres", true))
	if err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, s.Run)
	testkit.Eventually(t, patience, func() error {
		_, err := s.Lookup(t.Context(), objectOfOrigin())
		if errors.Is(err, origin.ErrNotFound) {
			err = nil
		}
		return err
	})
	return &realOrigin{url: url, store: s, sql: openControl(t, postgres.Config{URL: url})}
}

func objectOfOrigin() origin.Address {
	page := resources()[0]
	return origin.Address{Host: page.host, Path: page.path}
}

func (r *realOrigin) control() sqlStore { return r.sql }

func (r *realOrigin) put(t *testing.T) (done written) {
	done.begun = time.Now()
	o, _, err := r.store.Put(context.Background(), origin.Upload{Address: objectOfOrigin(), Body: strings.NewReader(fmt.Sprint(r.n.next()))})
	if err != nil {
		t.Error(err)
	}
	done.version, done.epoch, done.end = o.Version, o.Epoch, time.Now()
	return done
}

// putUnsequenced writes while another one holds the lock.
func (r *realOrigin) putUnsequenced(t *testing.T) written {
	release := testkit.Hold(t, r.url, "SELECT FROM tiercache.sequence()")
	defer release()
	return r.put(t)
}

func (r *realOrigin) lookup(t *testing.T) (found written) {
	found.begun = time.Now()
	o, err := r.store.Lookup(context.Background(), objectOfOrigin())
	if err != nil && !errors.Is(err, origin.ErrNotFound) {
		t.Error(err)
	}
	found.version, found.epoch, found.end = o.Version, o.Epoch, time.Now()
	return found
}

func TestContract_OriginDouble(t *testing.T) { onDouble(t, originContract(), newDoubleOrigin) }
func TestContract_Origin(t *testing.T)       { onReal(t, originContract(), newRealOrigin) }

// originContract is what the origin relies on when it stamps objects.
func originContract() []demand[origins] {
	return []demand[origins]{
		{"AnEpochWithEachWriteAndRead", epochOfWriteAndRead},
		{"AWriteInTheOutboxGetsItsNumberFirst", lookupSequences},
		{"ObjectAndEpochAreOfOneSnapshot", lookupIsOneSnapshot},
	}
}

func epochOfWriteAndRead(t *testing.T, with origins) {
	before := must[postgres.Poll](t)(with.control().Poll(t.Context(), 0))
	if got := with.lookup(t); got.version != 0 || got.epoch != before.Head {
		t.Errorf("before the first write: %+v; the head is %d", got, before.Head)
	}
	first := with.put(t)
	if got := with.lookup(t); got.version != first.version || got.epoch != first.epoch || first.epoch != before.Head+1 {
		t.Errorf("wrote %+v behind %d, found %+v", first, before.Head, got)
	}
	second := with.put(t)
	if got := with.lookup(t); got.version != second.version || got.epoch != second.epoch || second.epoch != first.epoch+1 || second.version <= first.version {
		t.Errorf("wrote %+v and %+v, found %+v", first, second, got)
	}
	wantPurges(t, with, before.Head, first.epoch, second.epoch)
}

// wantPurges wants these entries behind an epoch, each of the object.
func wantPurges(t *testing.T, with origins, after uint64, epochs ...uint64) {
	t.Helper()
	p := must[postgres.Poll](t)(with.control().Poll(t.Context(), after))
	var got []uint64
	want := purgeOf(resources()[0])
	_, scopes, err := want.Scopes()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Rows {
		got = append(got, r.Epoch)
		if e, err := r.Entry(); err != nil || e.Kind != controllog.KindPurge || !slices.Equal(e.Scopes, scopes) {
			t.Errorf("%d: %+v, %v", r.Epoch, e, err)
		}
	}
	if !slices.Equal(got, epochs) {
		t.Errorf("entries %v, want %v", got, epochs)
	}
}

func lookupSequences(t *testing.T, with origins) {
	old := with.put(t)
	late := with.putUnsequenced(t)
	if late.epoch != 0 || late.version <= old.version {
		t.Errorf("wrote %+v after %+v", late, old)
	}
	if got := with.lookup(t); got.version != late.version || got.epoch != old.epoch+1 {
		t.Errorf("found %+v of %+v; the epoch before is %d", got, late, old.epoch)
	}
	wantPurges(t, with, old.epoch, old.epoch+1)
}

// The content of a read is what the writes up to its epoch made of the object: nothing older, or a purge would be
// beaten, and nothing newer, or the same epoch elsewhere would deny it.
func lookupIsOneSnapshot(t *testing.T, with origins) {
	const writers, writes, readers, reads = 3, 15, 4, 60
	var puts, finds list[written]
	var busy sync.WaitGroup
	for range writers {
		busy.Go(func() {
			for range writes {
				puts.add(with.put(t))
			}
		})
	}
	for range readers {
		busy.Go(func() {
			for range reads {
				finds.add(with.lookup(t))
			}
		})
	}
	busy.Wait()
	made := puts.all()
	slices.SortFunc(made, func(a, b written) int { return int(int64(a.epoch) - int64(b.epoch)) })
	for _, r := range finds.all() {
		at, _ := slices.BinarySearchFunc(made, r.epoch+1, func(w written, epoch uint64) int { return int(int64(w.epoch) - int64(epoch)) })
		want := int64(0)
		if at > 0 {
			want = made[at-1].version
		}
		if r.version != want {
			t.Errorf("a read at epoch %d found version %d, the last write up to it made %d", r.epoch, r.version, want)
		}
		for _, w := range made {
			if w.end.Before(r.begun) && w.epoch > r.epoch {
				t.Errorf("a read that began after a write's end has epoch %d, the write %d", r.epoch, w.epoch)
			}
		}
	}
}
