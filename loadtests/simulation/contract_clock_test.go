package simulation

import (
	"testing"
	"testing/synctest"
	"time"
)

// passed is what a clock says of a while: how far the wall clock went, and the monotonic one.
func passed(from, to time.Time) (wall, monotonic time.Duration) {
	return to.Round(0).Sub(from.Round(0)), to.Sub(from)
}

func wantPassed(t *testing.T, what string, from, to time.Time, wantWall, wantMonotonic time.Duration) {
	t.Helper()
	if wall, monotonic := passed(from, to); wall != wantWall || monotonic != wantMonotonic {
		t.Errorf("%s: the wall clock went %v, the monotonic one %v; want %v and %v", what, wall, monotonic, wantWall, wantMonotonic)
	}
}

// Both of a clock's readings go alike as long as nobody sets it.
func TestContract_Clock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for what, now := range map[string]func() time.Time{
			"the real one": time.Now, "the double": (&clock{start: time.Now()}).now,
		} {
			from := now()
			time.Sleep(7 * time.Second)
			to := now()
			wantPassed(t, what, from, to, 7*time.Second, 7*time.Second)
			wantPassed(t, what+", backwards", to, from, -7*time.Second, -7*time.Second)
			if !to.After(from) || !to.Add(time.Second).Equal(to.Add(time.Second)) || to.Equal(from) {
				t.Errorf("%s: %v and %v", what, from, to)
			}
		}
	})
}

func TestContract_ClockThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{start: time.Now()}
		from := c.now()
		for _, by := range []int64{5, -9, 3_600, -100_000} {
			before := c.now()
			c.set(by)
			wantPassed(t, "set", before, c.now(), time.Duration(by)*time.Second, 0)
			time.Sleep(1500 * time.Millisecond)
			wantPassed(t, "set, and then", before, c.now(), time.Duration(by)*time.Second+1500*time.Millisecond, 1500*time.Millisecond)
		}
		const steps = (5 - 9 + 3_600 - 100_000) * time.Second
		wantPassed(t, "all", from, c.now(), steps+6*time.Second, 6*time.Second)
	})
}

func TestContract_ClockThatDrifts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, drift := range []int64{maxDrift, -maxDrift} {
			c := &clock{start: time.Now(), drift: drift}
			from := c.now()
			c.set(3)
			time.Sleep(100 * time.Second)
			want := 100*time.Second + time.Duration(drift)*100*time.Microsecond
			wantPassed(t, "drifting", from, c.now(), want+3*time.Second, want)
		}
	})
}
