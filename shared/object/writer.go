package object

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of [Writer].
var (
	// ErrLength: the body is longer or shorter than it was declared to be.
	ErrLength = errors.New("object: body is not as long as declared")
	// ErrClosed: the writer was committed or aborted, or an earlier write failed.
	ErrClosed = errors.New("object: writer is closed")
)

// UnknownLength is the length of a body whose end alone tells its length.
const UnknownLength = -1

// segmentGrace is how much longer than the entry its segments are kept, so that a
// reader who found the entry at the end of its life still finds the body.
const segmentGrace = 10 * time.Minute

// abortTimeout bounds the removal of what an aborted writer had stored.
const abortTimeout = time.Second

// WriterConfig says where a body goes.
type WriterConfig struct {
	// Key is the entry's store key: the digest of the cache key.
	Key string
	// ID names the body. It must be new: see NewBodyID.
	ID BodyID
	// TTL is how long the entry is kept; 0 until it is evicted. Segments are kept
	// 10 minutes longer.
	TTL time.Duration
	// Length is the declared length of the body in bytes, or UnknownLength. A body
	// of another length is never committed.
	Length int64
}

// Writer takes one response's body into a [Store] while it arrives, and then its
// entry. It holds at most one segment in memory and is for one goroutine.
//
// INVARIANT: the entry is stored last, after all of its segments, and under a
// body id that no other entry has. A reader who finds an entry finds this body's
// segments or none; a fill that breaks off leaves only segments that nothing
// names, which Abort removes and expiry removes otherwise.
type Writer struct {
	// The context is kept because io.Writer has no room for it; it is that of the
	// fill, whose deadline bounds every store call.
	ctx    context.Context
	store  Store
	cfg    WriterConfig
	buf    []byte // a segment in the making: room for its head, then data
	stored uint32 // segments that Store was called for
	size   int64
	err    error // why the writer takes nothing more
}

// NewWriter returns a writer of one body. ctx is the fill's: it bounds all calls
// of store. Every writer must end in Commit or Abort.
func NewWriter(ctx context.Context, store Store, cfg WriterConfig) *Writer {
	return &Writer{ctx: ctx, store: store, cfg: cfg}
}

// Size returns how many bytes were written so far.
func (w *Writer) Size() int64 { return w.size }

// Write takes the next bytes of the body, storing each segment as it fills. It
// keeps no reference to p. The error is the store's, or ErrLength when the body
// exceeds its declared length; after one the writer takes nothing more and must
// be aborted.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.cfg.Length >= 0 && int64(len(p)) > w.cfg.Length-w.size {
		return 0, w.fail(fmt.Errorf("%w: over %d bytes", ErrLength, w.cfg.Length))
	}
	written := 0
	for len(p) > 0 {
		if w.buffered() == SegmentSize {
			if err := w.flush(); err != nil {
				return written, w.fail(err)
			}
		}
		n := min(len(p), SegmentSize-w.buffered())
		w.grow(n)
		w.buf = append(w.buf, p[:n]...)
		w.size += int64(n)
		written += n
		p = p[n:]
	}
	return written, nil
}

// Commit stores what remains of the body and then the entry: h, with BodyID and
// BodySize set to the body's. Before it returns no reader can see the response.
// After an error nothing was committed and the writer must be aborted: ErrLength,
// ErrClosed or the store's.
func (w *Writer) Commit(h *Head) error {
	if w.err != nil {
		return w.err
	}
	if w.cfg.Length >= 0 && w.size != w.cfg.Length {
		return w.fail(fmt.Errorf("%w: %d of %d bytes", ErrLength, w.size, w.cfg.Length))
	}
	h.BodyID, h.BodySize = w.cfg.ID, w.size
	var inline []byte
	if h.Inline() {
		inline = w.data()
	} else if err := w.flush(); err != nil {
		return w.fail(err)
	}
	entry := AppendEntry(make([]byte, 0, EntrySize(h)), h, inline)
	if err := w.store.Store(w.ctx, w.cfg.Key, entry, w.cfg.TTL); err != nil {
		return w.fail(fmt.Errorf("store entry: %w", err))
	}
	w.err, w.buf = ErrClosed, nil
	return nil
}

// Abort removes the segments that were stored, within a second and also when the
// writer's context has ended. It does nothing after a Commit that succeeded, so it
// may be deferred. The error says that segments may be left until they expire;
// nothing names them.
func (w *Writer) Abort() error {
	if errors.Is(w.err, ErrClosed) {
		return nil
	}
	w.err, w.buf = ErrClosed, nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), abortTimeout)
	defer cancel()
	for i := range w.stored {
		if err := w.store.Remove(ctx, SegmentKey(w.cfg.Key, w.cfg.ID, i)); err != nil {
			return fmt.Errorf("remove segment %d: %w", i, err)
		}
	}
	return nil
}

// flush stores the buffered bytes as the next segment and empties the buffer.
func (w *Writer) flush() error {
	index := w.stored
	w.stored++ // also when it fails: the store may have it all the same
	w.buf = sealSegment(w.buf, 0, w.cfg.ID, index)
	if err := w.store.Store(w.ctx, SegmentKey(w.cfg.Key, w.cfg.ID, index), w.buf, segmentTTL(w.cfg.TTL)); err != nil {
		return fmt.Errorf("store segment %d: %w", index, err)
	}
	w.buf = w.buf[:segmentHead]
	return nil
}

// grow makes room for n more bytes: at once for a declared length, else by
// doubling, so that small bodies stay small. What is declared never makes it
// allocate more than one segment.
func (w *Writer) grow(n int) {
	if cap(w.buf)-len(w.buf) >= n+checksumSize {
		return
	}
	room := 2 * (w.buffered() + n)
	if w.cfg.Length >= 0 {
		room = SegmentSize
		if rest := w.cfg.Length - w.size + int64(w.buffered()); rest < SegmentSize {
			room = int(rest)
		}
	}
	buf := make([]byte, segmentHead, segmentOverhead+min(max(room, 512), SegmentSize))
	w.buf = append(buf, w.data()...)
}

func (w *Writer) data() []byte {
	if len(w.buf) < segmentHead {
		return nil
	}
	return w.buf[segmentHead:]
}

func (w *Writer) buffered() int { return len(w.data()) }

// fail makes err the answer to all further calls but Abort.
func (w *Writer) fail(err error) error {
	w.err = err
	return err
}
