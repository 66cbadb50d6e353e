package encoding

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Levels are those at which a fill is not held up: what is compressed is stored and compressed once.
const (
	gzipLevel     = 6
	brotliQuality = 5
	brotliWindow  = 20 // bits
	zstdWindow    = 1 << 20

	// chunkBytes is how much is read at a time.
	chunkBytes = 32 << 10
)

// ErrCoding: there is no encoder for the coding.
var ErrCoding = errors.New("no such content coding")

// encoder is what the three libraries have in common.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

// Compressor makes compressed bodies. It bounds how many encoders work at a time, and with them the memory: an encoder
// takes up to about 4 MiB. It is safe for concurrent use.
type Compressor struct {
	slots chan struct{}
	idle  [codingCount]sync.Pool
}

// New returns a compressor with so many encoders at most.
func New(encoders int) *Compressor {
	return &Compressor{slots: make(chan struct{}, max(1, encoders))}
}

// Reader returns body compressed. It waits for an encoder until ctx ends. An error of body ends what it yields
// without the coding's own end, so that a body that was cut is never taken for a whole one. What has been read is
// passed on when body has nothing more for the moment. Close closes body and waits for nobody.
// Errors: ErrCoding, the context's.
func (c *Compressor) Reader(ctx context.Context, coding Coding, body io.ReadCloser) (io.ReadCloser, error) {
	if coding == Identity || coding >= codingCount {
		return nil, fmt.Errorf("%w: %s", ErrCoding, coding)
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	enc, err := c.encoder(coding)
	if err != nil {
		<-c.slots
		return nil, err
	}
	r := &reader{compressor: c, coding: coding, encoder: enc, pump: newPump(body)}
	enc.Reset(&r.out)
	return r, nil
}

func (c *Compressor) encoder(coding Coding) (encoder, error) {
	if enc, ok := c.idle[coding].Get().(encoder); ok {
		return enc, nil
	}
	switch coding {
	case Gzip:
		return gzip.NewWriterLevel(nil, gzipLevel)
	case Brotli:
		return brotli.NewWriterOptions(nil, brotli.WriterOptions{Quality: brotliQuality, LGWin: brotliWindow}), nil
	default:
		return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true))
	}
}

// put gives an encoder and its slot back.
func (c *Compressor) put(coding Coding, enc encoder) {
	enc.Reset(nil)
	c.idle[coding].Put(enc)
	<-c.slots
}

// reader is a body that is compressed as it is read.
type reader struct {
	compressor *Compressor
	coding     Coding
	encoder    encoder // nil once it was given back
	pump       *pump
	out        bytes.Buffer
	pending    bool  // the encoder may hold something back
	err        error // once nothing more comes
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for r.out.Len() == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.step()
	}
	return r.out.Read(p)
}

// step compresses the next chunk, or flushes while there is none.
func (r *reader) step() {
	part, ready := r.pump.poll()
	if !ready && r.pending {
		r.pending = false
		if err := r.encoder.Flush(); err != nil {
			r.end(err)
		}
		return
	}
	if !ready {
		part = r.pump.wait()
	}
	if len(part.data) > 0 {
		_, err := r.encoder.Write(part.data)
		r.pending = true
		r.pump.recycle(part.data)
		if err != nil {
			r.end(err)
			return
		}
	}
	switch {
	case errors.Is(part.err, io.EOF):
		if err := r.encoder.Close(); err != nil {
			r.end(err)
			return
		}
		r.end(io.EOF)
	case part.err != nil:
		r.end(part.err)
	}
}

// end gives the encoder back; what it has made can still be read.
func (r *reader) end(err error) {
	if r.err == nil {
		r.err = err
	}
	if r.encoder != nil {
		r.compressor.put(r.coding, r.encoder)
		r.encoder = nil
	}
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.end(errClosed)
	return r.pump.close()
}

var errClosed = errors.New("read from a closed body")
