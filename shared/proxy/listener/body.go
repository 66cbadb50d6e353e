package listener

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"tiercache/shared/proxy"
)

// replyBody is a streamed reply body on its way to a client.
type replyBody struct {
	stream io.ReadCloser
	conn   net.Conn
	log    *slog.Logger
	left   int64 // bytes to come; negative when unknown
	sent   int64
	seal   *fasthttp.ResponseHeader // gets the length as a trailer field at the end; nil: no seal
}

// Read implements io.Reader. A stream that ends before its length is an error, so that fasthttp closes
// the connection instead of passing a short body off as whole.
func (b *replyBody) Read(p []byte) (n int, err error) {
	defer recovered(b.log, &err)
	n, err = b.stream.Read(p)
	b.sent += int64(n)
	// Whatever was read is written next: the client has the stall limit to take it.
	if deadlineErr := b.conn.SetWriteDeadline(time.Now().Add(writeStall)); deadlineErr != nil && err == nil {
		return n, deadlineErr
	}
	if err == io.EOF {
		if b.left >= 0 && b.sent < b.left {
			return n, io.ErrUnexpectedEOF
		}
		if b.seal != nil {
			b.seal.Set(proxy.SealField, strconv.FormatInt(b.sent, 10))
		}
	}
	return n, err
}

func (b *replyBody) Close() error { return b.stream.Close() }

// WriteTo implements io.WriterTo: parts of the stream go to the connection as they are.
func (b *replyBody) WriteTo(w io.Writer) (n int64, err error) {
	defer recovered(b.log, &err)
	to, ok := b.stream.(io.WriterTo)
	if !ok {
		return io.Copy(w, struct{ io.Reader }{b})
	}
	return to.WriteTo(&patient{w: w, conn: b.conn})
}

// errPanic ends a reply whose body panicked.
var errPanic = errors.New("the body panicked")

// recovered makes a panic an error, which ends one connection instead of the process.
func recovered(log *slog.Logger, err *error) {
	if v := recover(); v != nil {
		log.Error("the body of a reply panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		*err = errPanic
	}
}

// patient gives the client the stall limit for each write.
type patient struct {
	w    io.Writer
	conn net.Conn
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.conn.SetWriteDeadline(time.Now().Add(writeStall)); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}
