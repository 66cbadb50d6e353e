package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"tiercache/origin"
)

func cleanUp(t *testing.T, s *Store) {
	t.Helper()
	if err := s.CleanUp(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// releaseLongAgo makes every body as if its last version had gone an hour ago.
func releaseLongAgo(t *testing.T, s *Store) {
	t.Helper()
	execute(t, s, "UPDATE origin.released SET at = now() - interval '1 hour'")
}

func TestCleanUp_KeepsVersionsByCount(t *testing.T) {
	s := open(t, Config{KeepVersions: 3})
	for i := range 6 {
		write(t, s, "/v", []byte(fmt.Sprint(i)))
	}
	versions, err := s.Versions(context.Background(), addr("/v"))
	if err != nil || len(versions) != 3 {
		t.Fatalf("%d versions, %v", len(versions), err)
	}
	for i, v := range versions {
		if got := string(read(t, s, v)); got != fmt.Sprint(5-i) {
			t.Errorf("version %d has %s", i, got)
		}
	}
	cleanUp(t, s)
	if n := count(t, s, "origin.bodies"); n != 6 {
		t.Errorf("%d bodies within the grace, want all 6", n)
	}
	releaseLongAgo(t, s)
	cleanUp(t, s)
	if n := count(t, s, "origin.bodies") + 10*count(t, s, "origin.chunks") + 100*count(t, s, "origin.released"); n != 33 {
		t.Errorf("after the grace: %d (bodies + 10 chunks + 100 released), want 33", n)
	}
	if c := s.Counts(); c.VersionsRemoved != 3 || c.BodiesRemoved != 3 {
		t.Errorf("counts %+v", c)
	}
}

func TestCleanUp_RemovesVersionsByAgeButNeverTheCurrentOne(t *testing.T) {
	s := open(t, Config{KeepAge: time.Hour})
	write(t, s, "/a", []byte("1"))
	write(t, s, "/a", []byte("2"))
	write(t, s, "/gone", []byte("3"))
	if _, err := s.Delete(context.Background(), addr("/gone"), origin.Conditions{}); err != nil {
		t.Fatal(err)
	}
	cleanUp(t, s)
	if n := count(t, s, "origin.versions"); n != 4 {
		t.Errorf("%d versions within their age", n)
	}
	execute(t, s, "UPDATE origin.versions SET created_at = now() - interval '3 hours', ended_at = ended_at - interval '2 hours'")
	cleanUp(t, s)
	releaseLongAgo(t, s)
	cleanUp(t, s)
	if n := count(t, s, "origin.versions"); n != 1 {
		t.Errorf("%d versions, want the current one", n)
	}
	o, err := s.Lookup(context.Background(), addr("/a"))
	if err != nil || string(read(t, s, o)) != "2" {
		t.Errorf("the current version: %v", err)
	}
	if n := count(t, s, "origin.bodies"); n != 1 {
		t.Errorf("%d bodies", n)
	}
}

// A body that is written again after it was released is in use; the release is void.
func TestCleanUp_SparesABodyThatIsUsedAgain(t *testing.T) {
	s := open(t, Config{KeepVersions: 1})
	write(t, s, "/b", []byte("one"))
	write(t, s, "/b", []byte("two"))
	write(t, s, "/c", []byte("one"))
	releaseLongAgo(t, s)
	cleanUp(t, s)
	o, err := s.Lookup(context.Background(), addr("/c"))
	if err != nil || string(read(t, s, o)) != "one" {
		t.Errorf("the shared body: %v", err)
	}
}

// An old release must not cut short the grace of a newer one.
func TestCleanUp_TheLastReleaseCounts(t *testing.T) {
	s := open(t, Config{KeepVersions: 1})
	write(t, s, "/b", []byte("one"))
	write(t, s, "/b", []byte("two")) // releases one
	write(t, s, "/b", []byte("one"))
	releaseLongAgo(t, s)
	write(t, s, "/x", []byte("one"))
	write(t, s, "/x", []byte("three"))
	reader, err := s.Lookup(context.Background(), addr("/b"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, "/b", []byte("four")) // releases one for good, now
	cleanUp(t, s)
	if got := string(read(t, s, reader)); got != "one" {
		t.Errorf("a reader of a body released just now got %q", got)
	}
	releaseLongAgo(t, s)
	cleanUp(t, s)
	if n := count(t, s, "origin.bodies"); n != 2 {
		t.Errorf("%d bodies, want those of /b and /x", n)
	}
}

func TestCleanUp_LeavesAReaderItsBody(t *testing.T) {
	s := open(t, Config{KeepVersions: 1})
	want := pattern(4*origin.ChunkSize, "reader")
	o := write(t, s, "/r", want)
	body := s.Open(context.Background(), o)
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	write(t, s, "/r", []byte("new"))
	cleanUp(t, s)
	rest, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(rest, want[1:]) {
		t.Errorf("%d bytes, %v", len(rest), err)
	}
}

// The rest of an upload whose origin died is removed when its lease is over, not before.
func TestCleanUp_RemovesAbandonedUploads(t *testing.T) {
	s := open(t, Config{})
	u, err := s.receive(context.Background(), bytes.NewReader(pattern(3*origin.ChunkSize, "abandoned")))
	if err != nil {
		t.Fatal(err)
	}
	cleanUp(t, s)
	if n := count(t, s, "origin.chunks"); n != 3 {
		t.Fatalf("%d chunks while the lease runs", n)
	}
	execute(t, s, "UPDATE origin.bodies SET expires_at = now() - interval '1 second'")
	cleanUp(t, s)
	if n := count(t, s, "origin.chunks"); n != 0 {
		t.Errorf("%d chunks after the lease", n)
	}
	if err := u.stage(context.Background(), pattern(origin.ChunkSize, "late")); !errors.Is(err, origin.ErrExpired) {
		t.Errorf("a chunk that comes too late: %v", err)
	}
	_, err = s.replace(context.Background(), origin.Upload{Address: addr("/late"), Fields: origin.Fields{}}, u, u.digest())
	if !errors.Is(err, origin.ErrExpired) {
		t.Errorf("an end that comes too late: %v", err)
	}
	if n := count(t, s, "origin.objects"); n != 0 {
		t.Error("an object without its body")
	}
}

// Writers and deleters of few contents run beside clean-ups without any grace: whatever is current in
// the end must be whole.
func TestCleanUp_BesideWriters(t *testing.T) {
	s := open(t, Config{KeepVersions: 1, ReadGrace: time.Microsecond, KeepAge: time.Microsecond})
	contents := [][]byte{pattern(10, "a"), pattern(origin.ChunkSize+1, "b"), pattern(300, "c")}
	ctx, cancel := context.WithCancel(context.Background())
	var writers, cleaners sync.WaitGroup
	for range 2 {
		cleaners.Go(func() {
			for ctx.Err() == nil {
				if err := s.CleanUp(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			for i := range 25 {
				up := origin.Upload{Address: addr(fmt.Sprintf("/%d", (w+i)%3)), Body: bytes.NewReader(contents[(w*7+i)%3])}
				if _, _, err := s.Put(context.Background(), up); err != nil {
					t.Error(err)
				}
				if i%5 == 4 {
					if _, err := s.Delete(context.Background(), up.Address, origin.Conditions{}); err != nil && !errors.Is(err, origin.ErrNotFound) {
						t.Error(err)
					}
				}
			}
		})
	}
	writers.Wait()
	cancel()
	cleaners.Wait()
	cleanUp(t, s)
	page, err := s.List(context.Background(), origin.Query{Host: "a.example", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range page.Objects {
		got := read(t, s, o)
		if !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) && !bytes.Equal(got, contents[2]) {
			t.Errorf("%s has %d bytes that nobody wrote", o.Path, len(got))
		}
	}
	if bodies, used := count(t, s, "origin.bodies"), count(t, s, "(SELECT DISTINCT body_id FROM origin.versions) v"); bodies > used+1 {
		t.Errorf("%d bodies, %d in use", bodies, used)
	}
}
