package tier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
)

// Errors of a response, the last two of its body.
var (
	errSwitched = errors.New("node switched protocols unasked")
	errUnsealed = errors.New("body of unknown length ended without its seal")
	errSeal     = errors.New("body is not as long as its seal says")
)

// receive copies what outlives fasthttp's response: all but the body.
func receive(ctx context.Context, response *fasthttp.Response) *proxy.Response {
	out := &proxy.Response{Status: response.StatusCode(), FromTier: true, Length: -1}
	if n := response.Header.ContentLength(); n >= 0 {
		out.Length = int64(n)
	}
	for name, value := range response.Header.All() {
		out.Header = append(out.Header, httpcache.Field{Name: string(name), Value: string(value)})
	}
	stream := response.BodyStream()
	if stream == nil {
		fasthttp.ReleaseResponse(response)
		out.Body = io.NopCloser(strings.NewReader(""))
		return out
	}
	b := &body{response: response, stream: stream, length: out.Length}
	// The fill's deadline cuts the connection under a read that hangs.
	b.unwatch = context.AfterFunc(ctx, func() { b.interrupt(context.Cause(ctx)) })
	out.Body = b
	return out
}

// body reads a response's body and checks at its end that it is whole.
type body struct {
	response *fasthttp.Response
	stream   io.Reader
	length   int64 // -1 when unknown: then the seal decides
	read     int64
	err      error // sticky
	unwatch  func() bool
	released bool
}

// interrupt is called when the context ends while the body is open.
func (b *body) interrupt(cause error) {
	if c, ok := b.stream.(interface{ CloseWithError(error) error }); ok {
		_ = c.CloseWithError(cause) // the reader gets the error
	}
}

func (b *body) Read(p []byte) (int, error) {
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

// Close returns the connection to the pool when the body was read to its end, else closes it.
func (b *body) Close() error {
	if b.released {
		return nil
	}
	b.released = true
	b.unwatch()
	if !errors.Is(b.err, io.EOF) {
		// fasthttp would keep the connection of a chunked body that was cut between two chunks.
		b.response.SetConnectionClose()
	}
	err := b.response.CloseBodyStream()
	if b.err == nil {
		b.err = io.ErrClosedPipe
	}
	fasthttp.ReleaseResponse(b.response)
	if err != nil {
		return fmt.Errorf("close body: %w", err)
	}
	return nil
}
