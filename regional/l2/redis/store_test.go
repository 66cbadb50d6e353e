package redis_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"tiercache/regional/l2"
	"tiercache/regional/l2/redis"
	"tiercache/shared/object"
	"tiercache/shared/object/storetest"
	"tiercache/shared/testkit"
)

var ctx = context.Background()

func TestStore_ContractSingle(t *testing.T) {
	server := testkit.Redis(t)
	storetest.Run(t, func(t *testing.T) object.Store { return open(t, nil, server.Addr) }, storetest.HonoursTTL(), storetest.Walks())
}

func TestStore_Cluster(t *testing.T) {
	addrs := startCluster(t)
	t.Run("Contract", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) object.Store { return open(t, nil, addrs...) }, storetest.HonoursTTL(), storetest.Walks())
	})
	t.Run("KeysAreSpread", func(t *testing.T) { keysAreSpread(t, addrs) })
	t.Run("Check", func(t *testing.T) {
		report, err := open(t, nil, addrs...).Check(ctx)
		want := redis.Report{Servers: 3, MaxMemory: 64 << 20, Policy: "allkeys-lru"}
		if err != nil || report != want || report.Warning() != "" {
			t.Errorf("%+v, %v, want %+v", report, err, want)
		}
	})
	t.Run("OneAddressLearnsTheOthers", func(t *testing.T) {
		// The second address is a node as well, so that the client is for a Cluster.
		store := open(t, nil, addrs[0], addrs[0])
		for i := range 20 {
			if err := store.Store(ctx, fmt.Sprintf("%016d", i), []byte("v"), time.Minute); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// keysAreSpread stores whole bodies: each is readable, on one node, and not all on
// the same.
func keysAreSpread(t *testing.T, addrs []string) {
	for _, addr := range addrs {
		mustCommand(t, addr, "flushall")
	}
	store := open(t, nil, addrs...)
	for i := range 20 {
		body := bytes.Repeat([]byte{byte(i)}, object.SegmentSize+1)
		roundTrip(t, store, fmt.Sprintf("%016d", i), body)
	}
	for _, addr := range addrs {
		var n int
		if _, err := fmt.Sscan(mustCommand(t, addr, "dbsize"), &n); err != nil {
			t.Fatal(err)
		}
		if n == 0 || n%3 != 0 {
			t.Errorf("%s has %d keys: want some, an entry and its two segments together", addr, n)
		}
	}
}

func roundTrip(t *testing.T, store object.Store, key string, body []byte) {
	t.Helper()
	id, err := object.NewBodyID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := object.NewWriter(ctx, store, object.WriterConfig{Key: key, ID: id, TTL: time.Minute, Length: object.UnknownLength})
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(&object.Head{Kind: object.KindResponse}); err != nil {
		t.Fatal(err)
	}
	value, err := store.Lookup(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	var h object.Head
	inline, err := object.DecodeEntry(value, &h)
	if err != nil {
		t.Fatal(err)
	}
	r := object.NewReader(ctx, store, key, &h, inline)
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, body) {
		t.Fatalf("read %d of %d bytes, %v", len(got), len(body), err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStore_PrefixesKeepFleetsApart(t *testing.T) {
	server := testkit.Redis(t)
	a := open(t, func(c *redis.Config) { c.Prefix = "a:" }, server.Addr)
	b := open(t, func(c *redis.Config) { c.Prefix = "b:" }, server.Addr)
	if err := a.Store(ctx, key, []byte("of a"), 0); err != nil {
		t.Fatal(err)
	}
	if value, err := b.Lookup(ctx, key); !errors.Is(err, object.ErrNotFound) {
		t.Errorf("b sees %q, %v", value, err)
	}
	if name := strings.TrimSpace(mustCommand(t, server.Addr, "keys", "*")); name != "a:{MDEyMzQ1Njc4OWFiY2RlZg}" {
		t.Errorf("the key is named %s", name)
	}
}

// TestStore_TTLIsSet: values with a ttl expire in Redis, so that nothing is left
// for ever by a fleet that is gone, and those without do not.
func TestStore_TTLIsSet(t *testing.T) {
	server := testkit.Redis(t)
	store := open(t, func(c *redis.Config) { c.Prefix = "t:" }, server.Addr)
	for name, row := range map[string]struct {
		ttl      time.Duration
		from, to int
	}{
		"an hour": {time.Hour, 3_590_000, 3_600_000}, "milliseconds": {90_500 * time.Millisecond, 80_000, 90_500}, "until evicted": {0, -1, -1},
	} {
		if err := store.Store(ctx, key, []byte("v"), row.ttl); err != nil {
			t.Fatal(err)
		}
		var ms int
		if _, err := fmt.Sscan(mustCommand(t, server.Addr, "pttl", "t:{MDEyMzQ1Njc4OWFiY2RlZg}"), &ms); err != nil {
			t.Fatal(err)
		}
		if ms < row.from || ms > row.to {
			t.Errorf("%s: %d ms left", name, ms)
		}
	}
	if err := store.Store(ctx, key, []byte("v"), time.Nanosecond); err != nil {
		t.Errorf("a ttl below Redis' resolution: %v", err)
	}
}

// TestStore_ExtendKeepsAValueLonger goes from a ttl to a longer one, to none, and
// back.
func TestStore_ExtendKeepsAValueLonger(t *testing.T) {
	server := testkit.Redis(t)
	store := open(t, func(c *redis.Config) { c.Prefix = "t:" }, server.Addr)
	if err := store.Extend(ctx, key, time.Hour); !errors.Is(err, object.ErrNotFound) {
		t.Errorf("an absent value: %v", err)
	}
	if err := store.Extend(ctx, key, 0); !errors.Is(err, object.ErrNotFound) {
		t.Errorf("an absent value without ttl: %v", err)
	}
	if err := store.Store(ctx, key, []byte("v"), time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		ttl      time.Duration
		from, to int
	}{{time.Hour, 3_590_000, 3_600_000}, {0, -1, -1}, {0, -1, -1}, {time.Minute, 50_000, 60_000}} {
		if err := store.Extend(ctx, key, row.ttl); err != nil {
			t.Fatal(err)
		}
		var ms int
		if _, err := fmt.Sscan(mustCommand(t, server.Addr, "pttl", "t:{MDEyMzQ1Njc4OWFiY2RlZg}"), &ms); err != nil {
			t.Fatal(err)
		}
		if ms < row.from || ms > row.to {
			t.Errorf("extended by %v: %d ms left", row.ttl, ms)
		}
	}
}

// TestStore_FullRedisCanBeRead fills a Redis that may not evict.
func TestStore_FullRedisCanBeRead(t *testing.T) {
	server := testkit.Redis(t)
	mustCommand(t, server.Addr, "config", "set", "maxmemory-policy", "noeviction", "maxmemory", "8mb")
	store := open(t, nil, server.Addr)
	report, err := store.Check(ctx)
	if err != nil || !strings.Contains(report.Warning(), "noeviction") {
		t.Errorf("Check: %+v, %v, want a warning and no error", report, err)
	}
	if err := store.Store(ctx, key, []byte("the first"), 0); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err = store.Store(ctx, fmt.Sprintf("%016d", i), make([]byte, object.SegmentSize), 0); err != nil {
			break
		}
	}
	if !errors.Is(err, l2.ErrFull) {
		t.Fatalf("25 MiB in 8 MiB: %v, want ErrFull", err)
	}
	if value, err := store.Lookup(ctx, key); err != nil || string(value) != "the first" {
		t.Errorf("%q, %v", value, err)
	}
}

func TestStore_WrongPassword(t *testing.T) {
	server := testkit.Redis(t)
	mustCommand(t, server.Addr, "config", "set", "requirepass", "correct")
	good := open(t, func(c *redis.Config) { c.Password = "correct" }, server.Addr)
	if err := good.Store(ctx, key, []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"", "hunter2"} {
		bad := open(t, func(c *redis.Config) { c.Password = password }, server.Addr)
		_, err := bad.Check(ctx)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("password %q: %v, want an error without it", password, err)
		}
		if _, err := bad.Lookup(ctx, key); err == nil || errors.Is(err, object.ErrNotFound) {
			t.Errorf("Lookup with password %q: %v", password, err)
		}
	}
}

func TestStore_ContextEndsACall(t *testing.T) {
	server := testkit.Redis(t)
	store := open(t, nil, server.Addr)
	if err := store.Store(ctx, key, []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := store.Lookup(short, key); err == nil {
		t.Error("a stopped Redis answered")
	}
	if d := time.Since(start); d > 4*time.Second { // the store itself waits for longer
		t.Errorf("returned after %v, its context ended after 50 ms", d)
	}
	server.Resume()
}

func BenchmarkStore_Lookup(b *testing.B) {
	server := testkit.Redis(b)
	store, err := redis.New(redis.Config{Addrs: []string{server.Addr}, Timeout: 5 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	}()
	for _, size := range []int{1 << 10, object.SegmentSize} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			if err := store.Store(ctx, key, make([]byte, size), 0); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := store.Lookup(ctx, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
