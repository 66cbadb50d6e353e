package controllog_test

import (
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"tiercache/shared/controllog"
)

func wantLive(t *testing.T, l *controllog.Lease, now time.Time, want bool) {
	t.Helper()
	if got := l.Live(now); got != want {
		t.Errorf("live: %t, want %t", got, want)
	}
}

// TestLease_RunsFromSend: not from when the answer came, which may be much later.
func TestLease_RunsFromSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l controllog.Lease
		wantLive(t, &l, time.Now(), false)
		sent := time.Now()
		time.Sleep(1900 * time.Millisecond)
		l.Grant(sent, 0)
		wantLive(t, &l, time.Now(), true)
		time.Sleep(100*time.Millisecond - 1)
		wantLive(t, &l, time.Now(), true)
		time.Sleep(time.Nanosecond)
		wantLive(t, &l, time.Now(), false)
	})
}

// TestLease_CountsOnceHeadIsApplied: hearing is not enough.
func TestLease_CountsOnceHeadIsApplied(t *testing.T) {
	var l controllog.Lease
	l.Reached(99)
	l.Grant(noon, 100)
	wantLive(t, &l, noon, false)
	l.Reached(100)
	wantLive(t, &l, noon, true)
	l.Grant(noon.Add(time.Second), 105)
	wantLive(t, &l, noon.Add(2*time.Second), false) // the first one has ended, the second is not reached
	l.Reached(104)
	wantLive(t, &l, noon.Add(2*time.Second), false)
	l.Reached(110)
	wantLive(t, &l, noon.Add(2*time.Second), true)
	wantLive(t, &l, noon.Add(3*time.Second), false)
}

func TestLease_AnswersOutOfOrder(t *testing.T) {
	var l controllog.Lease
	l.Grant(noon.Add(time.Second), 0)
	l.Grant(noon, 0)
	wantLive(t, &l, noon.Add(2900*time.Millisecond), true)
	l.Grant(noon.Add(2*time.Second), 7)
	l.Grant(noon.Add(1500*time.Millisecond), 6)
	l.Reached(7)
	wantLive(t, &l, noon.Add(3900*time.Millisecond), true)
	l.Reached(3) // does not go back
	l.Grant(noon.Add(3*time.Second), 7)
	wantLive(t, &l, noon.Add(4900*time.Millisecond), true)
}

// TestLease_SteadyWrites has each answer a little ahead of what is applied: the one before counts meanwhile.
func TestLease_SteadyWrites(t *testing.T) {
	var l controllog.Lease
	now := noon
	for head := uint64(1); head < 200; head++ {
		l.Grant(now, head)
		if head > 1 {
			l.Reached(head - 1)
			wantLive(t, &l, now, true)
		}
		now = now.Add(controllog.RenewInterval)
	}
}

// TestLease_ManyAnswersWait asks much more often than the node catches up: some of them count all the same.
func TestLease_ManyAnswersWait(t *testing.T) {
	var l controllog.Lease
	for i := range 1000 {
		l.Grant(noon.Add(time.Duration(i)*time.Millisecond), uint64(i+1))
		if i >= 100 {
			l.Reached(uint64(i - 100))
		}
	}
	wantLive(t, &l, noon.Add(1500*time.Millisecond), true)
}

// TestLease_EitherClockEndsIt: while a machine sleeps the monotonic clock stands still; the wall clock may be set
// back.
func TestLease_EitherClockEndsIt(t *testing.T) {
	sent := time.Now()
	var l controllog.Lease
	l.Grant(sent, 0)
	for name, row := range map[string]struct {
		monotonic, wall time.Duration
		want            bool
	}{
		"slept":             {0, controllog.LeaseTime, false},
		"slept for shorter": {0, controllog.LeaseTime - 1, true},
		"set back":          {controllog.LeaseTime, -time.Hour, false},
		"set back, just":    {controllog.LeaseTime - 1, -time.Hour, true},
		"both":              {controllog.LeaseTime, controllog.LeaseTime, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := withMonotonic(sent.Add(row.wall), sent.Add(row.monotonic))
			if now.Sub(sent) != row.monotonic || now.Round(0).Sub(sent.Round(0)) != row.wall {
				t.Fatal("package time keeps its readings elsewhere now")
			}
			wantLive(t, &l, now, row.want)
		})
	}
}

// withMonotonic is wall with the monotonic reading of another time, which is the second word of both.
func withMonotonic(wall, monotonic time.Time) time.Time {
	type words struct {
		wall      uint64
		monotonic int64
		location  *time.Location
	}
	(*words)(unsafe.Pointer(&wall)).monotonic = (*words)(unsafe.Pointer(&monotonic)).monotonic
	return wall
}

func TestLease_Revoke(t *testing.T) {
	var l controllog.Lease
	l.Reached(1)
	l.Grant(noon, 1)
	l.Grant(noon, 2)
	l.Revoke()
	wantLive(t, &l, noon, false)
	l.Reached(2)
	wantLive(t, &l, noon, false)
	l.Grant(noon.Add(time.Second), 2)
	wantLive(t, &l, noon.Add(time.Second), true)
}
