package audit

import (
	"math"
	"testing"
)

// TestUpper compares with the bounds that tables of Clopper and Pearson have, one-sided, for 95 %.
func TestUpper(t *testing.T) {
	for _, c := range []struct {
		k, n int64
		want float64
	}{
		{0, 0, 1}, {5, 5, 1}, {0, 1, 0.95}, {0, 10, 0.2589}, {1, 10, 0.3942}, {3, 30, 0.2386},
		{0, 30_000, 9.985e-5}, {3, 30_000, 2.5845e-4}, {6, 60_000, 1.9737e-4}, {100, 1_000_000, 1.1808e-4},
		{20_000, 1_000_000, 0.020232}, // by the normal distribution
	} {
		if got := upper(c.k, c.n); math.Abs(got-c.want) > 0.002*c.want {
			t.Errorf("%d of %d: %v, want %v", c.k, c.n, got, c.want)
		}
	}
}

func TestNines(t *testing.T) {
	for share, want := range map[float64]float64{1: 0, 0.1: 1, 0.001: 3, 0.0003: 3.523} {
		if got := nines(share); math.Abs(got-want) > 0.001 {
			t.Errorf("%v: %v, want %v", share, got, want)
		}
	}
	if !math.IsInf(nines(0), 1) {
		t.Error("there is an end to the nines of nothing")
	}
}
