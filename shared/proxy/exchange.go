package proxy

import (
	"io"

	"tiercache/shared/httpcache"
)

// Exchange is one request and its reply, as a listener sees them. Strings and fields that it returns
// are valid until Reply returns; what outlives the exchange must be copied.
type Exchange interface {
	Method() string
	// Protocol is the version of HTTP that the request came with: "1.0" or "1.1".
	Protocol() string
	// Scheme is "http" or "https".
	Scheme() string
	// Authority is the host as the client sent it: the Host field, or that of an absolute-form target.
	Authority() string
	// Target is the path and query in origin-form, byte for byte as received (RFC 9112, 3.2.1).
	Target() string
	Header() httpcache.Header
	// Body returns the request's body and its length: nil and 0 for none, -1 for an unknown length.
	Body() (io.Reader, int64)
	// Peer is the address of the client, without port.
	Peer() string
	// Hint sends a 103 (Early Hints) at once, to a client that knows of such responses (RFC 9110, 15.2). fields is a
	// header block like that of Reply. It is called before Reply, by the goroutine that will call Reply; a client
	// that takes nothing holds it up as long as a reply would.
	Hint(fields []byte)
	// Reply sends the final reply. It is called once. fields is a header block in wire form
	// ("Name: value\r\n"...) without framing fields; it may be reused once Reply has returned.
	Reply(status int, fields []byte, body Payload)
}

// Payload is the body of a reply. The zero value is an empty body.
type Payload struct {
	// Bytes is the whole body, when it is in memory. The listener may use it until the reply is out.
	Bytes []byte
	// Stream is the body otherwise; the listener closes it. An error while it is read cuts the
	// connection, so that the client sees that the body is not whole.
	Stream io.ReadCloser
	// Length is the length of Stream, -1 when unknown; without Bytes and Stream, the Content-Length
	// of a reply to HEAD.
	Length int64
	// Seal sends SealField as a trailer field behind a body of unknown length. Between tiers it tells
	// a whole body from one that was cut between two chunks.
	Seal bool
}

// SealField is the trailer field with the body's length in bytes.
const SealField = "Tiercache-Length"
