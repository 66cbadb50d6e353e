package invalidation_test

import (
	"encoding/binary"
	"testing"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// scopeOf is a made-up scope that is as evenly spread as a real one.
func scopeOf(n uint64) object.Scope {
	return invalidation.TagScope("test", string(binary.BigEndian.AppendUint64(nil, n)))
}

// filled is an index of n purged scopes, each at the epoch of its number, from 1.
func filled(n, capacity int) *invalidation.Index {
	x := invalidation.NewIndex(capacity)
	for i := range uint64(n) {
		x.Purge(i+1, invalidation.Hard, []object.Scope{scopeOf(i)})
	}
	x.Advance(uint64(n))
	return x
}

// BenchmarkIndex_Check looks up 8 scopes of a response that nothing purged, while a newer purge is known, so that
// the short cut for recent stamps does not apply.
func BenchmarkIndex_Check(b *testing.B) {
	for _, row := range []struct {
		name   string
		purged int
	}{{"empty", 0}, {"full", 1 << 18}} {
		b.Run(row.name, func(b *testing.B) {
			x := filled(row.purged, 0)
			x.Purge(1<<40, invalidation.Hard, []object.Scope{scopeOf(1 << 40)})
			const responses = 1 << 12
			scopes := make([]object.Scope, 8*responses)
			for i := range scopes {
				scopes[i] = scopeOf(uint64(1<<50 + i))
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				at := i % responses * 8
				i++
				if x.Check(1<<39, scopes[at:at+8]) != invalidation.Live {
					b.Fatal("a response that nothing purged")
				}
			}
		})
	}
}

func BenchmarkIndex_Purge(b *testing.B) {
	x := filled(1<<18, 0)
	scopes := make([][]object.Scope, 1<<16)
	for i := range scopes {
		scopes[i] = []object.Scope{scopeOf(uint64(1<<50 + i))}
	}
	epoch := uint64(1 << 18)
	for b.Loop() {
		epoch++
		x.Purge(epoch, invalidation.Soft, scopes[epoch%uint64(len(scopes))])
	}
}

func BenchmarkIndex_SnapshotFull(b *testing.B) {
	x := filled(1<<18, 0)
	for b.Loop() {
		x.Snapshot()
	}
}

func BenchmarkIndex_RestoreFull(b *testing.B) {
	s := filled(1<<18, 0).Snapshot()
	x := invalidation.NewIndex(0)
	for b.Loop() {
		x.Restore(s)
	}
}
