package flight

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestGroup_OneLeaderPerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[int]
		lead, first := g.Join("k")
		if !first {
			t.Fatal("the first to join does not lead")
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				f, leads := g.Join("k")
				if leads {
					t.Error("a second leader")
				}
				if v, err := f.Wait(t.Context()); v != 7 || err != nil {
					t.Errorf("Wait = %d, %v", v, err)
				}
			})
		}
		synctest.Wait()
		lead.Publish(7)
		wg.Wait()
		lead.Release()
		if _, leads := g.Join("k"); !leads {
			t.Fatal("a released flight is still joined")
		}
	})
}

func TestGroup_ReleaseWithoutResultFreesWaiters(t *testing.T) {
	var g Group[int]
	f, _ := g.Join("k")
	func() {
		defer func() { _ = recover() }()
		defer f.Release()
		panic("fill broke")
	}()
	if _, err := f.Wait(t.Context()); !errors.Is(err, ErrAbandoned) {
		t.Fatalf("Wait = %v, want ErrAbandoned", err)
	}
	if g.Len() != 0 {
		t.Fatal("the flight is still there")
	}
}

func TestGroup_ReleaseLeavesTheSuccessor(t *testing.T) {
	var g Group[int]
	f, _ := g.Join("k")
	f.Release()
	next, lead := g.Join("k")
	f.Release()
	if again, second := g.Join("k"); !lead || second || again != next {
		t.Fatal("releasing an old flight removed its successor")
	}
}

func TestFlight_WaitObeysItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[int]
		f, _ := g.Join("k")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Wait = %v", err)
		}
	})
}

func segments(n, size int) (all [][]byte, whole []byte) {
	for i := range n {
		s := bytes.Repeat([]byte{byte('a' + i)}, size)
		all, whole = append(all, s), append(whole, s...)
	}
	return all, whole
}

func TestBody_AllReadersGetAllBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, whole := segments(12, 1000)
		b := NewBody(3000, time.Minute, nil)
		var wg sync.WaitGroup
		for i := range 5 {
			r, err := b.NewReader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				defer r.Close()
				var got bytes.Buffer
				buf := make([]byte, 100*(i+1))
				_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r}, buf)
				if err != nil || !bytes.Equal(got.Bytes(), whole) {
					t.Errorf("reader %d: %d bytes, %v", i, got.Len(), err)
				}
			})
		}
		for _, s := range all {
			if err := b.Append(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		b.Close(nil)
		wg.Wait()
	})
}

func TestBody_TruncationIsNeverEOF(t *testing.T) {
	b := NewBody(4, time.Minute, nil)
	r, _ := b.NewReader(t.Context())
	defer r.Close()
	if err := b.Append(t.Context(), []byte("part")); err != nil {
		t.Fatal(err)
	}
	b.Close(errors.New("connection reset"))
	got, err := io.ReadAll(r)
	if string(got) != "part" || !errors.Is(err, ErrTruncated) {
		t.Fatalf("read %q, %v", got, err)
	}
	if _, err := r.WriteTo(io.Discard); !errors.Is(err, ErrTruncated) {
		t.Fatalf("WriteTo = %v", err)
	}
}

func TestBody_SlowReaderOfStoredBodyHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, whole := segments(10, 10)
		b := NewBody(20, time.Minute, func(_ context.Context, offset int64) ([]byte, error) { return whole[offset : offset+7], nil })
		slow, _ := b.NewReader(t.Context())
		defer slow.Close()
		start := time.Now()
		for i, s := range all {
			if err := b.Append(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			b.Stored(int64(i+1) * 10)
		}
		b.Close(nil)
		if d := time.Since(start); d != 0 {
			t.Fatalf("the writer waited %s for a reader", d)
		}
		got, err := io.ReadAll(slow)
		if err != nil || !bytes.Equal(got, whole) {
			t.Fatalf("read %d bytes, %v", len(got), err)
		}
		late, err := b.NewReader(t.Context())
		if err != nil {
			t.Fatalf("a late reader of a stored body: %v", err)
		}
		late.Close()
	})
}

func TestBody_MissingStoredSegmentIsTruncation(t *testing.T) {
	b := NewBody(1, time.Minute, func(context.Context, int64) ([]byte, error) { return nil, errors.New("evicted") })
	r, _ := b.NewReader(t.Context())
	defer r.Close()
	for i := range 3 {
		if err := b.Append(t.Context(), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		b.Stored(int64(i + 1))
	}
	b.Close(nil)
	if got, err := io.ReadAll(r); !errors.Is(err, ErrTruncated) {
		t.Fatalf("read %v, %v", got, err)
	}
}

func TestBody_StalledReaderIsCutAfterTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, whole := segments(6, 10)
		b := NewBody(20, time.Second, nil)
		stuck, _ := b.NewReader(t.Context())
		quick, _ := b.NewReader(t.Context())
		defer stuck.Close()
		done := make(chan error, 1)
		go func() {
			got, err := io.ReadAll(quick)
			if err == nil && !bytes.Equal(got, whole) {
				err = fmt.Errorf("%d bytes", len(got))
			}
			quick.Close()
			done <- err
		}()
		start := time.Now()
		for _, s := range all {
			if err := b.Append(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		b.Close(nil)
		if d := time.Since(start); d != time.Second {
			t.Errorf("a stuck reader held the fill up for %s, want 1s", d)
		}
		if err := <-done; err != nil {
			t.Errorf("quick reader: %v", err)
		}
		if _, err := io.ReadAll(stuck); !errors.Is(err, ErrSlow) {
			t.Errorf("stuck reader: %v, want ErrSlow", err)
		}
	})
}

func TestBody_FillForNobodyStops(t *testing.T) {
	b := NewBody(2, time.Second, nil)
	r, _ := b.NewReader(t.Context())
	r.Close()
	if err := b.Append(t.Context(), []byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("Append = %v", err)
	}
}

func TestBody_LateReaderOfUnstoredBody(t *testing.T) {
	b := NewBody(1, time.Second, nil)
	r, _ := b.NewReader(t.Context())
	defer r.Close()
	for range 2 {
		if err := b.Append(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.NewReader(t.Context()); !errors.Is(err, ErrLate) {
		t.Fatalf("NewReader = %v, want ErrLate", err)
	}
}
