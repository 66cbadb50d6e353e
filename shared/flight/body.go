package flight

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// Errors of a body.
var (
	// ErrTruncated: the fill failed before the body was whole. Readers must not pass off what they
	// have as complete.
	ErrTruncated = errors.New("body ended early")
	// ErrLate: the start of the body is neither in memory nor stored any more.
	ErrLate = errors.New("joined too late to read the body from its start")
	// ErrSlow: a reader made no progress while it held the fill up, and was cut off.
	ErrSlow = errors.New("reader held the fill up for too long")
)

// Load fetches bytes that have left the window from wherever the fill has stored them: at least one,
// beginning at offset.
type Load func(ctx context.Context, offset int64) ([]byte, error)

// Body is a body on its way: one writer appends chunks as they arrive, readers follow.
//
// Memory is bounded by the window: once it is full, the oldest chunk is dropped if it is stored
// (slower readers load it again), else the writer waits for the slowest reader, which is cut off when
// it makes no progress within the stall limit. So a slow client holds up nobody while the body is
// being stored, and at most for the stall limit when it is not.
type Body struct {
	window int64         // bytes kept in memory, and at most one chunk more
	stall  time.Duration // how long a reader may hold up the writer
	load   Load          // nil: nothing is stored

	mu struct {
		sync.Mutex
		chunks  [][]byte
		base    int64 // offset of chunks[0]
		end     int64 // offset behind the last chunk
		stored  int64 // bytes below this offset can be loaded
		storing bool  // more will be
		done    bool
		err     error // why it ended early
		readers map[*Reader]struct{}
		changed chan struct{} // closed and replaced whenever something above changes
	}
}

// NewBody returns an empty body that keeps window bytes in memory. load may be nil.
func NewBody(window int64, stall time.Duration, load Load) *Body {
	b := &Body{window: window, stall: stall, load: load}
	b.mu.storing = load != nil
	b.mu.readers = map[*Reader]struct{}{}
	b.mu.changed = make(chan struct{})
	return b
}

// wake must be called with the lock held.
func (b *Body) wake() {
	close(b.mu.changed)
	b.mu.changed = make(chan struct{})
}

// Append adds a chunk, which must not be empty and which the body owns from now on. It blocks while the
// window is full of bytes that are not stored and that a reader still needs. It returns io.ErrClosedPipe when the body is
// not being stored and no reader is left, so that a fill for nobody can stop.
func (b *Body) Append(ctx context.Context, chunk []byte) error {
	for {
		wait, err := b.tryAppend(chunk)
		if wait == nil {
			return err
		}
		timer := time.NewTimer(b.stall)
		select {
		case <-wait:
		case <-timer.C:
			b.cutSlowest()
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

// tryAppend appends, or returns what to wait for.
func (b *Body) tryAppend(chunk []byte) (wait <-chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.mu.end-b.mu.base >= b.window {
		if !b.dropOldest() {
			return b.mu.changed, nil
		}
	}
	if !b.mu.storing && len(b.mu.readers) == 0 {
		return nil, io.ErrClosedPipe
	}
	b.mu.chunks = append(b.mu.chunks, chunk)
	b.mu.end += int64(len(chunk))
	b.wake()
	return nil, nil
}

// dropOldest makes room in a full window if the oldest chunk is stored or read by all.
func (b *Body) dropOldest() bool {
	behind := b.mu.base + int64(len(b.mu.chunks[0]))
	if behind > b.mu.stored && b.slowest() < behind {
		return false
	}
	b.mu.chunks[0] = nil
	b.mu.chunks = b.mu.chunks[1:]
	b.mu.base = behind
	return true
}

// slowest is the lowest offset that a reader still needs.
func (b *Body) slowest() int64 {
	low := b.mu.end
	for r := range b.mu.readers {
		low = min(low, r.next)
	}
	return low
}

// cutSlowest detaches the readers that the writer is waiting for.
func (b *Body) cutSlowest() {
	b.mu.Lock()
	defer b.mu.Unlock()
	low := b.slowest()
	for r := range b.mu.readers {
		if r.next == low && low < b.mu.end {
			r.cut = true
			delete(b.mu.readers, r)
		}
	}
	b.wake()
}

// Stored says that all bytes below offset n can be loaded.
func (b *Body) Stored(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.stored = n
	b.wake()
}

// Unstored says that no more bytes will be stored. From then on the body ends when no reader is left.
func (b *Body) Unstored() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.storing = false
	b.wake()
}

// Await returns when no reader needs bytes below offset n any more, when one that does makes no progress
// within the stall limit, or when the context ends.
func (b *Body) Await(ctx context.Context, n int64, stall time.Duration) {
	for {
		b.mu.Lock()
		low, changed := b.slowest(), b.mu.changed
		b.mu.Unlock()
		if low >= n {
			return
		}
		timer := time.NewTimer(stall)
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// Close ends the body. A nil error says that it is whole; any other is given to readers, wrapped in
// ErrTruncated, behind the bytes appended so far.
func (b *Body) Close(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.done {
		return
	}
	b.mu.done, b.mu.err = true, err
	b.wake()
}

// NewReader returns a reader from the body's start, ErrLate when the start is gone.
func (b *Body) NewReader(ctx context.Context) (*Reader, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.base > 0 && (b.load == nil || b.mu.stored < b.mu.base) {
		return nil, ErrLate
	}
	r := &Reader{body: b, ctx: ctx}
	b.mu.readers[r] = struct{}{}
	return r, nil
}
