package object

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// ErrSegment: a segment of the body is gone or damaged, or the store could not be
// asked for it. What was read before it is right; the body is not whole.
var ErrSegment = errors.New("object: segment missing or damaged")

// Reader reads one response's body: the inline one, or its segments from a
// [Store], always fetching one ahead of the one being read. It holds at most two
// segments and is for one goroutine.
//
// A body that can not be read to its end ends in ErrSegment, never in io.EOF, so
// it can not be taken for a shorter one.
type Reader struct {
	ctx    context.Context // of the fetches; ended by Close
	cancel context.CancelFunc
	store  Store
	key    string
	id     BodyID
	size   int64
	index  uint32       // of the segment that ahead will deliver
	count  uint32       // segments in all
	ahead  chan fetched // one segment on its way; nil when there is none
	data   []byte       // what is left of the current segment
	skip   int          // bytes to leave out of the first segment
	err    error
}

// fetched is the outcome of fetching one segment.
type fetched struct {
	data []byte
	err  error
}

var (
	_ io.ReadCloser = (*Reader)(nil)
	_ io.WriterTo   = (*Reader)(nil)
)

// NewReader returns a reader of the body of the entry h that was found under key,
// inline being what DecodeEntry returned. It begins to fetch at once. h is not
// kept. ctx bounds the fetches; the reader must be closed.
func NewReader(ctx context.Context, store Store, key string, h *Head, inline []byte) *Reader {
	return NewReaderAt(ctx, store, key, h, inline, 0)
}

// NewReaderAt is NewReader for the body from offset on, which is 0 to its size: segments that lie before are not
// fetched.
func NewReaderAt(ctx context.Context, store Store, key string, h *Head, inline []byte, offset int64) *Reader {
	r := &Reader{store: store, key: key, id: h.BodyID, size: h.BodySize, count: h.Segments()}
	if r.count == 0 {
		r.data = inline[min(offset, int64(len(inline))):]
		return r
	}
	r.index, r.skip = uint32(offset/SegmentSize), int(offset%SegmentSize)
	r.ctx, r.cancel = context.WithCancel(ctx)
	if r.index < r.count {
		r.fetch()
	}
	return r
}

// Read implements io.Reader. Errors are io.EOF at the end of the whole body, an
// error that wraps ErrSegment and its cause, or ErrClosed.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// WriteTo implements io.WriterTo: segments go to w as they are, without a copy.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if err := r.fill(); err == io.EOF {
			return total, nil
		} else if err != nil {
			return total, err
		}
		n, err := w.Write(r.data)
		total += int64(n)
		if err == nil && n < len(r.data) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
		r.data = nil
	}
}

// Close ends the fetch that is under way and waits for it. It may be called more
// than once; reads fail with ErrClosed afterwards.
func (r *Reader) Close() error {
	if r.cancel != nil {
		r.cancel()
	}
	if r.ahead != nil {
		<-r.ahead
		r.ahead = nil
	}
	r.data, r.err = nil, ErrClosed
	return nil
}

// fill makes data non-empty or returns why it can not be.
func (r *Reader) fill() error {
	if len(r.data) > 0 {
		return nil
	}
	if r.err != nil {
		return r.err
	}
	if r.ahead == nil {
		r.err = io.EOF
		return r.err
	}
	got := <-r.ahead
	r.ahead = nil
	if got.err != nil {
		r.err = fmt.Errorf("%w: segment %d: %w", ErrSegment, r.index, got.err)
		return r.err
	}
	r.data, r.skip = got.data[min(r.skip, len(got.data)):], 0
	r.index++
	if r.index < r.count {
		r.fetch()
	}
	return r.fill()
}

// fetch starts to get segment r.index. The channel takes one value without a
// reader, so the goroutine ends when the store answers; Close waits for it.
func (r *Reader) fetch() {
	ahead := make(chan fetched, 1)
	r.ahead = ahead
	index := r.index
	go func() {
		data, err := r.segment(index)
		ahead <- fetched{data, err}
	}()
}

// segment gets one segment and checks that it is the right one and whole.
func (r *Reader) segment(index uint32) ([]byte, error) {
	value, err := r.store.Lookup(r.ctx, SegmentKey(r.key, r.id, index))
	if err != nil {
		return nil, err
	}
	data, err := DecodeSegment(value, r.id, index)
	if err != nil {
		return nil, err
	}
	h := Head{BodySize: r.size}
	if want := h.segmentLength(index); len(data) != want {
		return nil, fmt.Errorf("%w: %d bytes where %d belong", ErrCorrupt, len(data), want)
	}
	return data, nil
}
