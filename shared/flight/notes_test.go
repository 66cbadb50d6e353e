package flight

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
)

// Who follows from the start and who comes later hear all notes, in order; who comes behind the result hears none.
func TestFlight_NotesComeBeforeTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := Solo[int]()
		heard := make([][]any, 3)
		follow := func(i int) {
			v, err := f.Follow(t.Context(), func(note any) { heard[i] = append(heard[i], note) })
			if v != 7 || err != nil {
				t.Errorf("%d: %d, %v", i, v, err)
			}
		}
		go follow(0)
		synctest.Wait()
		f.Note("a")
		synctest.Wait()
		f.Note("b")
		go follow(1)
		synctest.Wait()
		f.Note("c")
		synctest.Wait()
		f.Publish(7)
		synctest.Wait()
		f.Note("late")
		go follow(2)
		synctest.Wait()
		if got := fmt.Sprint(heard); got != "[[a b c] [a b c] []]" {
			t.Errorf("heard %s", got)
		}
	})
}

// Who is slow to take a note holds up nobody, and skips what has come too late.
func TestFlight_ASlowFollowerHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := Solo[int]()
		slow := make(chan struct{})
		heard := 0
		go func() {
			_, _ = f.Follow(t.Context(), func(any) { heard++; <-slow })
		}()
		for range 5 {
			f.Note("x")
		}
		synctest.Wait()
		f.Publish(7)
		if v, err := f.Follow(t.Context(), func(any) { t.Error("a note behind the result") }); v != 7 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		close(slow)
		synctest.Wait()
		if heard != 1 {
			t.Errorf("heard %d notes", heard)
		}
	})
}

func TestFlight_FollowEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := Solo[int]()
		f.Note("x")
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		_, err := f.Follow(ctx, func(any) { cancel(gone) })
		if !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
	})
}
