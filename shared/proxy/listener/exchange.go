package listener

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
)

// maxReplyHead bounds a reply's head: what an entry may hold and the fields that each tier adds.
const maxReplyHead = 96 << 10

// exchange is a pooled Exchange over one RequestCtx.
//
// fasthttp keeps Date, Server and Content-Type in places of their own and ignores a Date that is set,
// so a reply's head is written as text and read by fasthttp's own parser, which keeps them all.
type exchange struct {
	ctx    *fasthttp.RequestCtx
	header header
	target string
	host   string
	scheme string
	body   *requestBody // nil until it is asked for, and for a request without one
	empty  bool         // the body was drained
	ends   *endings     // the listener's
	log    *slog.Logger // likewise

	head   []byte
	source bytes.Reader
	parser *bufio.Reader
}

var _ proxy.Exchange = (*exchange)(nil)

func newExchange(ends *endings, log *slog.Logger) *exchange {
	return &exchange{ends: ends, log: log, parser: bufio.NewReaderSize(nil, maxReplyHead)}
}

func (x *exchange) begin(ctx *fasthttp.RequestCtx) {
	x.ctx = ctx
	x.header.reset(&ctx.Request.Header)
	x.target = alias(ctx.Request.Header.RequestURI())
	x.host = alias(ctx.Request.Header.Host())
	x.scheme = "http"
	if strings.HasPrefix(x.target, "/") {
		return
	}
	// absolute-form: its authority takes the place of Host (RFC 9112, 3.2.2).
	for _, scheme := range []string{"http", "https"} {
		if rest, ok := cutScheme(x.target, scheme); ok {
			x.host, x.target = splitAuthority(rest)
		}
	}
}

// end drops what points into the connection, so that a pooled exchange keeps nothing alive.
func (x *exchange) end() {
	x.ctx = nil
	x.header.reset(nil)
	x.target, x.host, x.body, x.empty = "", "", nil, false
	if cap(x.head) > maxReplyHead {
		x.head = nil
	}
}

func cutScheme(target, scheme string) (string, bool) {
	n := len(scheme)
	if len(target) > n+3 && strings.EqualFold(target[:n], scheme) && target[n:n+3] == "://" {
		return target[n+3:], true
	}
	return "", false
}

func splitAuthority(rest string) (host, target string) {
	end := strings.IndexAny(rest, "/?#")
	switch {
	case end < 0:
		return rest, "/"
	case rest[end] != '/':
		return rest[:end], "/" + rest[end:]
	}
	return rest[:end], rest[end:]
}

func (x *exchange) Method() string { return alias(x.ctx.Method()) }
func (x *exchange) Protocol() string {
	if x.ctx.Request.Header.IsHTTP11() {
		return "1.1"
	}
	return "1.0"
}

func (x *exchange) Scheme() string           { return x.scheme }
func (x *exchange) Authority() string        { return x.host }
func (x *exchange) Target() string           { return x.target }
func (x *exchange) Header() httpcache.Header { return &x.header }
func (x *exchange) Peer() string             { return x.ctx.RemoteIP().String() }

// Body implements proxy.Exchange.
func (x *exchange) Body() (io.Reader, int64) {
	length := x.ctx.Request.Header.ContentLength()
	switch {
	case length == 0 || length == neitherLength || x.empty:
		return nil, 0
	case x.ctx.Request.IsBodyStream():
		x.body = &requestBody{stream: x.ctx.RequestBodyStream(), conn: x.ctx.Conn()}
		return x.body, int64(length)
	}
	body := x.ctx.Request.Body()
	return bytes.NewReader(body), int64(len(body))
}

// Reply implements proxy.Exchange.
func (x *exchange) Reply(status int, fields []byte, body proxy.Payload) {
	head := x.headText(status, fields, &body)
	if body.Stream != nil && body.Length < 0 && !bodyless(status) && !x.ctx.IsHead() && !x.ctx.Request.Header.IsHTTP11() {
		x.ends.add(x.ctx, &ending{head: bytes.Clone(head), body: body.Stream})
		return
	}
	x.source.Reset(head)
	x.parser.Reset(&x.source)
	response := &x.ctx.Response
	if err := response.Header.Read(x.parser); err != nil {
		closeStream(body.Stream)
		x.ctx.Error("reply head could not be sent\n", fasthttp.StatusBadGateway)
		return
	}
	switch {
	case body.Stream != nil:
		x.stream(body)
	case len(body.Bytes)+len(head) > writeBufferSize && !x.ctx.IsHead():
		v := &connOf(x.ctx.Conn()).vector
		v.body, v.size = body.Bytes, int64(len(body.Bytes))
		response.ImmediateHeaderFlush = true
		response.SetBodyStream(behind{v}, len(body.Bytes))
	case len(body.Bytes) > 0:
		response.SetBodyRaw(body.Bytes)
	}
}

// bodyless reports whether replies with this status have no body (RFC 9110, 6.4.1).
func bodyless(status int) bool {
	return status == fasthttp.StatusNotModified || status == fasthttp.StatusNoContent
}

// headText writes the head with the framing fields that fasthttp's parser needs to see.
func (x *exchange) headText(status int, fields []byte, body *proxy.Payload) []byte {
	b := append(x.head[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, fasthttp.StatusMessage(status)...)
	b = append(b, "\r\n"...)
	b = append(b, fields...)
	switch length := payloadLength(body); {
	case bodyless(status):
	case length >= 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, length, 10)
		b = append(b, "\r\n"...)
	case x.ctx.Request.Header.IsHTTP11():
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	default:
		b = append(b, "Connection: close\r\n"...)
	}
	x.head = append(b, "\r\n"...)
	return x.head
}

func payloadLength(body *proxy.Payload) int64 {
	if body.Stream == nil && len(body.Bytes) > 0 {
		return int64(len(body.Bytes))
	}
	return body.Length
}

// stream hands fasthttp a body that extends the write deadline with each part.
func (x *exchange) stream(body proxy.Payload) {
	if x.ctx.IsHead() || bodyless(x.ctx.Response.Header.StatusCode()) {
		closeStream(body.Stream)
		return
	}
	reply := &replyBody{stream: body.Stream, conn: x.ctx.Conn(), log: x.log, left: body.Length}
	if body.Length < 0 && body.Seal {
		reply.seal = &x.ctx.Response.Header
		if err := reply.seal.SetTrailer(proxy.SealField); err != nil {
			reply.seal = nil
		}
	}
	x.ctx.Response.ImmediateHeaderFlush = true
	x.ctx.Response.SetBodyStream(reply, int(body.Length))
}

func closeStream(s io.Closer) {
	if s != nil {
		_ = s.Close() // nothing was read from it, so nothing is lost
	}
}
