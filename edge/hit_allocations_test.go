//go:build !race

package edge

import "testing"

// TestHit_Allocations is the budget of the hit path: bigcache's copy of the entry and of its key. The
// race detector makes sync.Pool forget at random, so under it the figure means nothing.
func TestHit_Allocations(t *testing.T) {
	p, x := warm(t, 1024)
	if n := testing.AllocsPerRun(1000, func() { p.Serve(t.Context(), x) }); n > 2 {
		t.Errorf("a hit allocates %v times, 2 are bigcache's", n)
	}
}
