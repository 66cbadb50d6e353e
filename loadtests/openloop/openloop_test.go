package openloop_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tiercache/loadtests/openloop"
)

const workers = 128

// A request that waits for a worker is late from when it was due: the clients are not slowed down by slow replies.
func TestStream_TimesCountFromWhenRequestsAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openloop.Stream{Count: 2 * workers, Workers: workers, Do: func(context.Context, int) (int64, error) {
			time.Sleep(3 * time.Second)
			return 5, nil
		}}
		got := s.Drive(t.Context())
		if got.Requests != 2*workers || got.Bytes != 10*workers || got.P99 != 6*time.Second || got.Errors != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestStream_KeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var late atomic.Int64
		failure := errors.New("a failure")
		s := openloop.Stream{Count: 50, Rate: 10, Workers: workers, Do: func(_ context.Context, i int) (int64, error) {
			late.Add(int64(time.Since(began) - time.Duration(i)*100*time.Millisecond))
			if i == 7 {
				return 0, failure
			}
			return 1, nil
		}}
		got := s.Drive(t.Context())
		if took := time.Since(began); took.Round(time.Millisecond) != 4900*time.Millisecond || time.Duration(late.Load()).Abs() > time.Microsecond {
			t.Errorf("50 at 10 a second took %v, late by %v", took, time.Duration(late.Load()))
		}
		if got.Errors != 1 || !errors.Is(got.First, failure) || got.Bytes != 49 || got.P50 != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestStream_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s := openloop.Stream{Count: 1000, Rate: 10, Workers: workers, Do: func(context.Context, int) (int64, error) { return 0, nil }}
		if got := s.Drive(ctx); got.Requests < 9 || got.Requests > 11 {
			t.Errorf("%+v", got)
		}
	})
}
