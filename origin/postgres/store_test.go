package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tiercache/origin"
	"tiercache/shared/runner"
	"tiercache/shared/testkit"
)

// open runs a store on a new database until the test ends.
func open(t *testing.T, cfg Config) *Store {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = testkit.Postgres(t)
	}
	s, stop := start(t, cfg)
	t.Cleanup(stop)
	return s
}

func start(t testing.TB, cfg Config) (*Store, func()) {
	t.Helper()
	return startWith(t, cfg, func(*Store) {})
}

// openWith is open with a chance to change the store before it runs.
func openWith(t testing.TB, cfg Config, change func(*Store)) *Store {
	t.Helper()
	s, stop := startWith(t, cfg, change)
	t.Cleanup(stop)
	return s
}

func startWith(t testing.TB, cfg Config, change func(*Store)) (*Store, func()) {
	t.Helper()
	if cfg.CleanInterval == 0 {
		cfg.CleanInterval = time.Hour // tests call CleanUp
	}
	s, err := New(cfg, slog.New(slog.DiscardHandler), runner.NewHealth().Component("postgres", true))
	if err != nil {
		t.Fatal(err)
	}
	change(s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, func() {}) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	testkit.Eventually(t, 20*time.Second, func() error { _, err := s.db(); return err })
	return s, stop
}

func addr(path string) origin.Address { return origin.Address{Host: "a.example", Path: path} }

// write stores body under path, without conditions.
func write(t *testing.T, s *Store, path string, body []byte) origin.Object {
	t.Helper()
	o, _, err := s.Put(context.Background(), origin.Upload{Address: addr(path), Fields: origin.Fields{"Content-Type": "text/plain"}, Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatalf("put %s: %v", path, err)
	}
	return o
}

func read(t *testing.T, s *Store, o origin.Object) []byte {
	t.Helper()
	body := s.Open(context.Background(), o)
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("read %s: %v", o.Path, err)
	}
	return b
}

func count(t testing.TB, s *Store, what string) (n int) {
	t.Helper()
	if err := s.pool.Load().QueryRow(context.Background(), "SELECT count(*) FROM "+what).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func execute(t testing.TB, s *Store, sql string, args ...any) {
	t.Helper()
	if _, err := s.pool.Load().Exec(context.Background(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// pattern is n bytes in which no two chunks are equal.
func pattern(n int, seed string) []byte {
	b := make([]byte, 0, n+sha256.Size)
	sum := sha256.Sum256([]byte(seed))
	for len(b) < n {
		b = append(b, sum[:]...)
		sum = sha256.Sum256(sum[:])
	}
	return b[:n]
}

func TestPut_EverySizeAroundAChunkComesBackWhole(t *testing.T) {
	s := open(t, Config{})
	for _, size := range []int{0, 1, origin.ChunkSize - 1, origin.ChunkSize, origin.ChunkSize + 1, 3 * origin.ChunkSize, 3*origin.ChunkSize + 7} {
		want := pattern(size, fmt.Sprint(size))
		path := fmt.Sprintf("/%d", size)
		put := write(t, s, path, want)
		got, err := s.Lookup(context.Background(), addr(path))
		if err != nil {
			t.Fatal(err)
		}
		if got.Size != int64(size) || got.Digest != sha256.Sum256(want) || got.ETag() != put.ETag() {
			t.Errorf("size %d: metadata %+v", size, got)
		}
		if !bytes.Equal(read(t, s, got), want) {
			t.Errorf("size %d: the body differs", size)
		}
		body := s.Open(context.Background(), got)
		if err := iotest.TestReader(body, want); size <= origin.ChunkSize+1 && err != nil {
			t.Errorf("size %d: %v", size, err)
		}
		body.Close()
	}
}

func TestPut_EqualBodiesAreStoredOnce(t *testing.T) {
	s := open(t, Config{})
	body := pattern(2*origin.ChunkSize+5, "equal")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			up := origin.Upload{Address: addr(fmt.Sprintf("/%d", i)), Body: bytes.NewReader(body)}
			if _, _, err := s.Put(context.Background(), up); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := count(t, s, "origin.bodies"); n != 1 {
		t.Errorf("%d bodies for one content", n)
	}
	if n := count(t, s, "origin.chunks"); n != 3 {
		t.Errorf("%d chunks for a body of three", n)
	}
	if n := count(t, s, "origin.objects"); n != 8 {
		t.Errorf("%d objects", n)
	}
}

func TestPut_TheSameAgainChangesNothing(t *testing.T) {
	s := open(t, Config{})
	first := write(t, s, "/same", []byte("x"))
	if second := write(t, s, "/same", []byte("x")); second.Version != first.Version {
		t.Errorf("version %d became %d", first.Version, second.Version)
	}
	third, created, err := s.Put(context.Background(), origin.Upload{
		Address: addr("/same"), Body: strings.NewReader("x"), Fields: origin.Fields{"Content-Type": "text/html"}})
	if err != nil || created || third.Version == first.Version || third.ETag() == first.ETag() {
		t.Errorf("another type: %+v, created %v, %v", third, created, err)
	}
}

func TestPut_AfterAnErrorTheOldVersionIsThereAndNothingElse(t *testing.T) {
	s := open(t, Config{})
	write(t, s, "/kept", []byte("old"))
	broken := errors.New("the client went away")
	big := pattern(2*origin.ChunkSize+9, "broken")
	wrong := origin.Digest{1}
	for name, up := range map[string]origin.Upload{
		"cut at the end":      {Body: io.MultiReader(bytes.NewReader(big), iotest.ErrReader(broken))},
		"cut before any byte": {Body: iotest.ErrReader(broken)},
		"cut as net/http does": {Body: io.MultiReader(bytes.NewReader(big),
			iotest.ErrReader(io.ErrUnexpectedEOF))},
		"wrong digest, staged": {Body: bytes.NewReader(big), Digest: &wrong},
		"wrong digest, small":  {Body: strings.NewReader("new"), Digest: &wrong},
	} {
		up.Address = addr("/kept")
		if _, _, err := s.Put(context.Background(), up); err == nil {
			t.Errorf("%s: stored", name)
		}
		o, err := s.Lookup(context.Background(), addr("/kept"))
		if err != nil || string(read(t, s, o)) != "old" {
			t.Errorf("%s: the old version is gone: %v", name, err)
		}
	}
	if n := count(t, s, "origin.bodies"); n != 1 {
		t.Errorf("%d bodies are left", n)
	}
	if n := count(t, s, "origin.chunks"); n != 1 {
		t.Errorf("%d chunks are left", n)
	}
}

func TestPut_CreatingOnlyIfAbsentHasOneWinner(t *testing.T) {
	s := open(t, Config{})
	absent, err := origin.ConditionsOf(http.Header{"If-None-Match": {"*"}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	outcomes := map[bool]int{}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			_, created, err := s.Put(context.Background(), origin.Upload{
				Address: addr("/once"), Body: strings.NewReader(fmt.Sprint(i)), Conditions: absent})
			if err != nil && !errors.Is(err, origin.ErrPrecondition) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes[created]++
		})
	}
	wg.Wait()
	if outcomes[true] != 1 || outcomes[false] != 9 {
		t.Errorf("outcomes %v", outcomes)
	}
}

// Each writer adds one to a number under If-Match, again when it lost: no update may be lost.
func TestPut_IfMatchLosesNoUpdate(t *testing.T) {
	s := open(t, Config{})
	write(t, s, "/n", []byte("0"))
	var wg sync.WaitGroup
	const writers, rounds = 6, 5
	for range writers {
		wg.Go(func() {
			for done := 0; done < rounds; {
				if increment(t, s) {
					done++
				}
			}
		})
	}
	wg.Wait()
	o, err := s.Lookup(context.Background(), addr("/n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(read(t, s, o)); got != fmt.Sprint(writers*rounds) {
		t.Errorf("counted to %s", got)
	}
}

func increment(t *testing.T, s *Store) bool {
	o, err := s.Lookup(context.Background(), addr("/n"))
	if err != nil {
		t.Error(err)
		return true
	}
	var n int
	if _, err := fmt.Sscan(string(read(t, s, o)), &n); err != nil {
		t.Error(err)
	}
	match, err := origin.ConditionsOf(http.Header{"If-Match": {o.ETag()}})
	if err != nil {
		t.Error(err)
	}
	_, _, err = s.Put(context.Background(), origin.Upload{Address: addr("/n"), Fields: origin.Fields{"Content-Type": "text/plain"}, Body: strings.NewReader(fmt.Sprint(n + 1)), Conditions: match})
	if err != nil && !errors.Is(err, origin.ErrPrecondition) {
		t.Error(err)
		return true
	}
	return err == nil
}

func TestLookup_AnyHostServesWhereTheHostHasNothing(t *testing.T) {
	s := open(t, Config{})
	ctx := context.Background()
	put := func(host, body string) {
		if _, _, err := s.Put(ctx, origin.Upload{Address: origin.Address{Host: host, Path: "/p"}, Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
	}
	lookup := func(host string) string {
		o, err := s.Lookup(ctx, origin.Address{Host: host, Path: "/p"})
		if errors.Is(err, origin.ErrNotFound) {
			return "none"
		}
		if err != nil {
			t.Fatal(err)
		}
		return string(read(t, s, o))
	}
	put("own.example", "own")
	if got := lookup("other.example"); got != "none" {
		t.Errorf("before: %s", got)
	}
	put(origin.AnyHost, "any")
	if got := lookup("own.example") + " " + lookup("other.example"); got != "own any" {
		t.Errorf("got %s", got)
	}
	if _, err := s.Delete(ctx, origin.Address{Host: "own.example", Path: "/p"}, origin.Conditions{}); err != nil {
		t.Fatal(err)
	}
	if got := lookup("own.example"); got != "any" {
		t.Errorf("after its own was deleted: %s", got)
	}
	if _, err := s.Current(ctx, origin.Address{Host: "own.example", Path: "/p"}); !errors.Is(err, origin.ErrNotFound) {
		t.Errorf("Current: %v", err)
	}
}

func TestDelete(t *testing.T) {
	s := open(t, Config{})
	ctx := context.Background()
	if _, err := s.Delete(ctx, addr("/d"), origin.Conditions{}); !errors.Is(err, origin.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	o := write(t, s, "/d", []byte("1"))
	other, err := origin.ConditionsOf(http.Header{"If-Match": {`"other"`}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(ctx, addr("/d"), other); !errors.Is(err, origin.ErrPrecondition) {
		t.Errorf("other tag: %v", err)
	}
	if _, err := s.Delete(ctx, addr("/d"), origin.Conditions{}); err != nil {
		t.Fatal(err)
	}
	versions, err := s.Versions(ctx, addr("/d"))
	if err != nil || len(versions) != 2 || !versions[0].Deleted || versions[1].Version != o.Version || versions[1].Ended.IsZero() {
		t.Errorf("versions %+v, %v", versions, err)
	}
	kept, err := s.Version(ctx, addr("/d"), o.Version)
	if err != nil || string(read(t, s, kept)) != "1" {
		t.Errorf("the kept version: %v", err)
	}
	if again := write(t, s, "/d", []byte("2")); !again.Created.After(o.Created) {
		t.Errorf("created %v after %v", again.Created, o.Created)
	}
}

func TestList_PagesAndPrefixes(t *testing.T) {
	s := open(t, Config{})
	for _, p := range []string{"/a/1", "/a/2", "/a/3", "/a", "/a~", "/b", "/a/2/x", "/%E2%82%AC"} {
		write(t, s, p, []byte(p))
	}
	list := func(prefix, after string, limit int) (paths []string, next string) {
		page, err := s.List(context.Background(), origin.Query{Host: "a.example", Prefix: prefix, After: after, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			paths = append(paths, o.Path)
		}
		return paths, page.Next
	}
	for _, c := range []struct {
		prefix, after string
		limit         int
		want, next    string
	}{
		{"/a/", "", 10, "/a/1 /a/2 /a/2/x /a/3", ""},
		{"/a/", "", 2, "/a/1 /a/2", "/a/2"},
		{"/a/", "/a/2", 2, "/a/2/x /a/3", ""},
		{"", "", 3, "/%E2%82%AC /a /a/1", "/a/1"},
		{"/a", "/a/3", 10, "/a~", ""},
		{"/zz", "", 10, "", ""},
	} {
		paths, next := list(c.prefix, c.after, c.limit)
		if got := strings.Join(paths, " "); got != c.want || next != c.next {
			t.Errorf("%+v: got %q, next %q", c, got, next)
		}
	}
}

func TestConfig_Validate(t *testing.T) {
	for _, c := range []Config{{}, {URL: "not a url %%"}, {URL: "postgres://h/d", KeepVersions: -1}} {
		if err := c.withDefaults().Validate(); err == nil {
			t.Errorf("%+v passes", c)
		}
	}
	secret := "postgres://u:hunter2@h:nope/d"
	if err := (Config{URL: secret}).withDefaults().Validate(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error is %v", err)
	}
}

func TestStore_BeforeRunIsUnavailable(t *testing.T) {
	s, err := New(Config{URL: "postgres://127.0.0.1:1/x"}, slog.New(slog.DiscardHandler), runner.NewHealth().Component("postgres", true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lookup(context.Background(), addr("/")); !errors.Is(err, origin.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if s.Pool() != (origin.Pool{}) {
		t.Error("a pool without a database")
	}
}

func TestMigrate_SeveralOriginsAtOnce(t *testing.T) {
	url := testkit.Postgres(t)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			s, err := New(Config{URL: url}, slog.New(slog.DiscardHandler), runner.NewHealth().Component("postgres", true))
			if err == nil {
				err = s.migrate(context.Background())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := open(t, Config{URL: url})
	if n := count(t, s, "origin.goose_db_version WHERE version_id > 0"); n != 1 {
		t.Errorf("the migration is recorded %d times", n)
	}
}

func TestWrite_WaitsForTheDiskWhateverTheDefault(t *testing.T) {
	for _, c := range []struct{ set, want string }{{"off", "on"}, {"local", "on"}, {"on", "on"}, {"remote_apply", "remote_apply"}} {
		url := testkit.Postgres(t)
		s := open(t, Config{URL: url + "&options=-csynchronous_commit%3D" + c.set})
		var got string
		err := s.write(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
			return tx.QueryRow(ctx, "SHOW synchronous_commit").Scan(&got)
		})
		if err != nil || got != c.want {
			t.Errorf("%s became %q, %v", c.set, got, err)
		}
	}
}

func TestChunks_AreStoredUncompressed(t *testing.T) {
	s := open(t, Config{})
	write(t, s, "/zeros", make([]byte, origin.ChunkSize))
	var size int64
	row := s.pool.Load().QueryRow(context.Background(), "SELECT pg_column_size(bytes) FROM origin.chunks")
	if err := row.Scan(&size); err != nil || size != origin.ChunkSize {
		t.Errorf("stored size %d, %v", size, err)
	}
}

// A connection is taken for one chunk only: with one connection, a read that has begun stops nobody.
func TestOpen_HoldsNoConnection(t *testing.T) {
	s := open(t, Config{MaxConns: 1})
	big := pattern(5*origin.ChunkSize, "held")
	o := write(t, s, "/held", big)
	body := s.Open(context.Background(), o)
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Lookup(context.Background(), addr("/held")); err != nil || got.Version != o.Version {
		t.Errorf("a lookup beside a slow read: %v", err)
	}
	rest, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(rest, big[10:]) {
		t.Errorf("the rest: %d bytes, %v", len(rest), err)
	}
}

func TestBody_DamageIsFoundAndCounted(t *testing.T) {
	for name, damage := range map[string]string{
		"changed": `UPDATE origin.chunks SET bytes = overlay(bytes placing '\x00'::bytea from 100) WHERE index = 1`,
		"shorter": `UPDATE origin.chunks SET bytes = substr(bytes, 2) WHERE index = 1`,
		"missing": `DELETE FROM origin.chunks WHERE index = 1`,
		"swapped": `UPDATE origin.chunks c SET bytes = o.bytes, checksum = o.checksum FROM origin.chunks o WHERE c.index = 1 AND o.index = 2`,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Config{})
			want := pattern(4*origin.ChunkSize, "damage")
			want[origin.ChunkSize+99] = 1
			o := write(t, s, "/x", want)
			execute(t, s, damage)
			body := s.Open(context.Background(), o)
			defer body.Close()
			got, err := io.ReadAll(body)
			if !errors.Is(err, origin.ErrCorrupt) {
				t.Errorf("error %v", err)
			}
			if !bytes.Equal(got, want[:origin.ChunkSize]) {
				t.Errorf("%d bytes were read, one chunk was good", len(got))
			}
			if s.Counts().CorruptChunks == 0 {
				t.Error("not counted")
			}
		})
	}
}

func TestPool_SaysWhatIsBusy(t *testing.T) {
	s := open(t, Config{MaxConns: 3})
	err := s.read(context.Background(), func(ctx context.Context, db *pgxpool.Pool) error {
		conn, err := db.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		if p := s.Pool(); p.Busy < 1 || p.Limit != 3 {
			t.Errorf("pool %+v", p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// startUnready runs a store that has not reached its database.
func startUnready(t *testing.T, url string) (*Store, *runner.Health, func()) {
	t.Helper()
	health := runner.NewHealth()
	s, err := New(Config{URL: url, CleanInterval: time.Hour}, slog.New(slog.DiscardHandler), health.Component("postgres", true))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done, ready := make(chan error, 1), make(chan struct{})
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	<-ready
	return s, health, func() { cancel(); <-done }
}
