package invalidation_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// TestIndex_ReaderIsNeverLessStrictThanApplied has one writer, who purges a few scopes in turn in an index that is
// too small for them, so that each purge evicts, and now and then restores a snapshot. Epoch e purges scope e % n,
// hard and soft in turn. A reader that has loaded Applied must find each purge up to it.
func TestIndex_ReaderIsNeverLessStrictThanApplied(t *testing.T) {
	const n, capacity, last = 24, 8, 150_000
	scopes := make([]object.Scope, n)
	for i := range scopes {
		scopes[i] = scopeOf(uint64(i))
	}
	mode := func(epoch uint64) invalidation.Mode {
		if epoch/n%2 == 0 {
			return hard
		}
		return soft
	}
	x := invalidation.NewIndex(capacity)
	var readers sync.WaitGroup
	var checks atomic.Uint64
	for r := range uint64(3) {
		readers.Go(func() {
			for i := r; x.Applied() < last; i++ {
				applied, scope := x.Applied(), i%n
				if applied < 4*n {
					continue
				}
				epoch := applied - (applied+n-scope)%n // of the scope's last purge
				if mode(epoch) == soft {
					if got := x.Check(epoch-1, scopes[scope:scope+1]); got == invalidation.Live {
						t.Errorf("applied %d: the soft purge %d is missing", applied, epoch)
						return
					}
					epoch -= n
				}
				if got := x.Check(epoch-1, scopes[scope:scope+1]); got != invalidation.Dead {
					t.Errorf("applied %d: the hard purge %d is missing: %s", applied, epoch, got)
					return
				}
				checks.Add(1)
			}
		})
	}
	for epoch := uint64(1); epoch <= last && !t.Failed(); epoch++ {
		x.Purge(epoch, mode(epoch), scopes[epoch%n:epoch%n+1])
		x.Advance(epoch)
		if epoch%5000 == 0 {
			x.Restore(x.Snapshot())
		}
	}
	x.Advance(last)
	readers.Wait()
	t.Logf("%d checks", checks.Load())
}
