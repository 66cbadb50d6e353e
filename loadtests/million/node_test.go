package million

import (
	"encoding/binary"
	"fmt"
	"testing"

	"tiercache/edge/l1"
	"tiercache/shared/controllog"
	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// node is what an edge has of its state: what is stored, and what it knows of purges.
type node struct {
	store   *l1.Cache
	replica *controllog.Replica
	n       int
}

// newNode stores n small responses that carry the tag, stamped with what was applied.
func newNode(b *testing.B, n int) *node {
	b.Helper()
	store, err := l1.New(l1.Config{Size: 2 << 30})
	if err != nil {
		b.Fatal(err)
	}
	x := &node{store: store, replica: controllog.NewReplica(0), n: n}
	x.apply(b, 1, "other")
	fields := object.MakeBlock(httpcache.Fields{{Name: "Cache-Control", Value: "max-age=86400"}, {Name: "Surrogate-Key", Value: "many"}})
	for i := range n {
		scopes, err := invalidation.AppendScopes(nil, &invalidation.Response{Service: service, Host: host, Target: target(i), Tags: []string{"many"}})
		if err != nil {
			b.Fatal(err)
		}
		head := &object.Head{Kind: object.KindResponse, Key: target(i), Stamp: 1, Scopes: scopes, Fields: fields, BodySize: 1}
		if err := store.Store(b.Context(), key(i), object.AppendEntry(nil, head, []byte("x")), 0); err != nil {
			b.Fatal(err)
		}
	}
	return x
}

func key(i int) string {
	return string(binary.BigEndian.AppendUint64(make([]byte, 8, 16), uint64(i)*0x9E3779B97F4A7C15))
}

// apply applies a hard purge of a tag.
func (x *node) apply(b *testing.B, epoch uint64, tag string) {
	b.Helper()
	purge := controllog.Entry{
		Epoch: epoch, Prev: epoch - 1, Kind: controllog.KindPurge, Mode: invalidation.Hard, Scopes: []object.Scope{invalidation.TagScope("", tag)},
	}
	if _, err := x.replica.Apply(purge); err != nil {
		b.Fatal(err)
	}
}

// count looks up all that was stored, and counts what has a verdict.
func (x *node) count(b *testing.B, want invalidation.Verdict) (found int) {
	b.Helper()
	var head object.Head
	for i := range x.n {
		raw, err := x.store.Lookup(b.Context(), key(i))
		if err != nil {
			b.Fatalf("%d: %v", i, err)
		}
		if _, err := object.DecodeEntry(raw, &head); err != nil {
			b.Fatal(err)
		}
		if x.replica.Index().Check(head.Stamp, head.Scopes) == want {
			found++
		}
	}
	return found
}

// BenchmarkPurge_TagOn is what a node does for a purge of a tag, by how many stored responses carry it.
func BenchmarkPurge_TagOn(b *testing.B) {
	for _, n := range []int{1, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x := newNode(b, n)
			if live := x.count(b, invalidation.Live); live != n {
				b.Fatalf("%d of %d are live before the purge", live, n)
			}
			epoch := uint64(1)
			for b.Loop() {
				epoch++
				x.apply(b, epoch, "many")
			}
			b.StopTimer()
			if dead := x.count(b, invalidation.Dead); dead != n {
				b.Errorf("%d of %d are dead after the purge", dead, n)
			}
		})
	}
}
