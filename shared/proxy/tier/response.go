package tier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"

	"tiercache/shared/proxy"
)

// Errors of a response, the last two of its body.
var (
	errSwitched = errors.New("node switched protocols unasked")
	errUnsealed = errors.New("body of unknown length ended without its seal")
	errSeal     = errors.New("body is not as long as its seal says")
)

// receive copies what outlives fasthttp's response: all but the body, which has the lease until it is closed.
func receive(ctx context.Context, response *fasthttp.Response, leased *lease) *proxy.Response {
	out := &proxy.Response{Status: response.StatusCode(), Header: fieldsOf(&response.Header), FromTier: true, Length: -1}
	if n := response.Header.ContentLength(); n >= 0 {
		out.Length = int64(n)
	}
	stream := response.BodyStream()
	if stream == nil {
		fasthttp.ReleaseResponse(response)
		leased.give(true)
		out.Body = io.NopCloser(strings.NewReader(""))
		return out
	}
	b := &body{response: response, stream: stream, length: out.Length, lease: leased}
	// The fill's deadline cuts the connection under a read that hangs.
	b.unwatch = context.AfterFunc(ctx, b.interrupt)
	out.Body = b
	return out
}

// body reads a response's body and checks at its end that it is whole.
type body struct {
	lease   *lease
	length  int64 // -1 when unknown: then the seal decides
	unwatch func() bool

	mu       sync.Mutex // held by a Read while it waits; Close interrupts that. It guards all below.
	response *fasthttp.Response
	stream   io.Reader
	read     int64
	err      error // sticky
	released bool
}

// interrupt ends a read that waits. It may be called from any goroutine while the lease lasts, and closes the
// connection, so that it is not used again.
func (b *body) interrupt() { _ = b.lease.conn.Close() } // the reader gets the error

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.stream.Read(p)
	b.read += int64(n)
	if errors.Is(err, io.EOF) {
		err = b.whole()
	}
	b.err = err
	return n, err
}

// whole is io.EOF when the body is all there.
func (b *body) whole() error {
	if b.length >= 0 {
		if b.read != b.length {
			return io.ErrUnexpectedEOF
		}
		return io.EOF
	}
	seal := b.response.Header.Peek(proxy.SealField)
	if len(seal) == 0 {
		if bare(&b.response.Header) {
			return io.EOF
		}
		return errUnsealed
	}
	if n, err := strconv.ParseInt(string(seal), 10, 64); err != nil || n != b.read {
		return fmt.Errorf("%w: %q for %d bytes", errSeal, seal, b.read)
	}
	return io.EOF
}

// bare reports whether this is an error that net/http's server made for a request that it could not read. Its
// text ends with the connection, and no handler of the node saw the request, so nothing could seal it. Our
// proxying nodes frame and mark all that they send.
func bare(h *fasthttp.ResponseHeader) bool {
	return h.StatusCode() >= fasthttp.StatusBadRequest && h.ContentLength() == closeDelimited && len(h.Peek("Cache-Status")) == 0
}

// closeDelimited is fasthttp's ContentLength of a body that ends with its connection.
const closeDelimited = -2

// Close returns the connection to the pool when the body was read to its end, else closes it. fasthttp would keep that
// of a chunked body that was cut between two chunks.
func (b *body) Close() error {
	if !b.mu.TryLock() {
		b.interrupt()
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	if b.released {
		return nil
	}
	b.released = true
	// INVARIANT: a connection that interrupt may still close is not given back: it would end under another request.
	untouched := b.unwatch()
	whole := errors.Is(b.err, io.EOF)
	if b.err == nil {
		b.err = io.ErrClosedPipe
	}
	err := b.response.CloseBodyStream() // before the lease ends: the stream reads by its reader
	fasthttp.ReleaseResponse(b.response)
	b.lease.give(whole && untouched)
	if err != nil {
		return fmt.Errorf("close body: %w", err)
	}
	return nil
}
