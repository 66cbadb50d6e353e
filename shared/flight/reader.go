package flight

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Reader reads a Body from its start. It is for one goroutine; Close must be called.
type Reader struct {
	body *Body
	ctx  context.Context
	rest []byte // of the chunk being read
	next int64  // offset of the next chunk; guarded by body.mu
	cut  bool   // detached by the writer; guarded by body.mu
}

// Read implements io.Reader. It ends with io.EOF only when the body is whole.
func (r *Reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		chunk, err := r.chunk()
		if err != nil {
			return 0, err
		}
		r.rest = chunk
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// WriteTo implements io.WriterTo: chunks go out whole, without a copy in between.
func (r *Reader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if len(r.rest) > 0 {
			n, err := w.Write(r.rest)
			total += int64(n)
			if err != nil {
				return total, err
			}
			r.rest = nil
		}
		if r.rest, err = r.chunk(); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return total, err
		}
	}
}

// Close detaches the reader, so that the writer no longer waits for it.
func (r *Reader) Close() error {
	b := r.body
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, attached := b.mu.readers[r]; attached {
		delete(b.mu.readers, r)
		b.wake()
	}
	return nil
}

// chunk waits for the next chunk and takes it.
func (r *Reader) chunk() ([]byte, error) {
	for {
		chunk, wait, err := r.take()
		switch {
		case err != nil || chunk != nil:
			return chunk, err
		case wait == nil:
			return r.loadStored()
		}
		select {
		case <-wait:
		case <-r.ctx.Done():
			return nil, context.Cause(r.ctx)
		}
	}
}

// take returns the next chunk from memory, or what to wait for, or nothing at all when the chunk has
// left the window.
func (r *Reader) take() (chunk []byte, wait <-chan struct{}, err error) {
	b := r.body
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case r.cut:
		return nil, nil, ErrSlow
	case r.next < b.mu.base:
		return nil, nil, nil
	case r.next < b.mu.end:
		chunk = b.from(r.next)
		r.next += int64(len(chunk))
		b.wake()
		return chunk, nil, nil
	case b.mu.done && b.mu.err != nil:
		return nil, nil, fmt.Errorf("%w: %w", ErrTruncated, b.mu.err)
	case b.mu.done:
		return nil, nil, io.EOF
	}
	return nil, b.mu.changed, nil
}

// from returns what chunk holds at offset, which must be in the window. The lock is held.
func (b *Body) from(offset int64) []byte {
	at := b.mu.base
	for _, chunk := range b.mu.chunks {
		if behind := at + int64(len(chunk)); offset < behind {
			return chunk[offset-at:]
		}
		at += int64(len(chunk))
	}
	panic("flight: offset outside of the window")
}

// loadStored takes bytes that have left the window from where the fill stored them.
func (r *Reader) loadStored() ([]byte, error) {
	r.body.mu.Lock()
	offset := r.next
	r.body.mu.Unlock()
	chunk, err := r.body.load(r.ctx, offset)
	if err == nil && len(chunk) == 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("%w: load from %d: %w", ErrTruncated, offset, err)
	}
	r.body.mu.Lock()
	r.next += int64(len(chunk))
	r.body.wake() // the writer measures progress by it
	r.body.mu.Unlock()
	return chunk, nil
}
