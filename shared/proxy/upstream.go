package proxy

import (
	"context"
	"errors"
	"io"

	"tiercache/shared/httpcache"
	"tiercache/shared/policy"
)

// Errors of an Upstream. Others count as ErrUnreachable.
var (
	// ErrUnreachable: no connection, or it broke before the response's head was whole.
	ErrUnreachable = errors.New("upstream unreachable")
	// ErrConnect: there was no connection, so nothing of the request was sent. It comes wrapped
	// together with ErrUnreachable.
	ErrConnect = errors.New("no connection")
	// ErrTimeout: the response's head did not arrive in time.
	ErrTimeout = errors.New("upstream timed out")
	// ErrProtocol: what came is not a response of HTTP.
	ErrProtocol = errors.New("upstream does not speak HTTP")
	// ErrCoding: the response has a transfer coding that was not asked for, so that its content cannot be known
	// (RFC 9112, 6.1).
	ErrCoding = errors.New("unknown transfer coding")
	// ErrBusy: the cap on requests in flight was reached.
	ErrBusy = errors.New("too many requests to the upstream in flight")
	// ErrRequestBody: the body of the client's request broke off, is malformed or too long. The upstream
	// is not to blame.
	ErrRequestBody = errors.New("request body can not be read")
)

// Upstream is the next tier: what a miss is filled from.
type Upstream interface {
	// Fetch sends a request of a service and returns the head of the response. The context bounds
	// the whole exchange, body included. The caller closes the response's body.
	Fetch(ctx context.Context, service *policy.Match, r *Request) (*Response, error)
}

// Request is a request to an upstream. It owns its strings.
type Request struct {
	Method string
	Scheme string // the client's
	Host   string // the client's, lower-case, without port
	Target string // origin-form, as received
	Header httpcache.Fields
	Body   io.Reader // nil when there is none
	Length int64     // of Body, -1 when unknown
	// Hint is given the fields of each 103 (Early Hints) that comes before the response; nil: nobody wants them. It
	// does not block and keeps nothing of them. Any goroutine may call it, and for a moment after Fetch has returned.
	Hint func(httpcache.Fields)
	// Digest is the digest of the cache key: it picks the node of the next tier.
	Digest [16]byte
}

// Response is an upstream's response.
type Response struct {
	Status int
	Header httpcache.Fields
	// Body is never nil. It ends with io.EOF only when the body is whole.
	Body io.ReadCloser
	// Length is -1 when unknown.
	Length int64
	// Version is httpcache.FlagHTTP10 or FlagHTTP2, 0 for HTTP/1.1.
	Version httpcache.Flags
	// FromTier says that the response comes from a node of this fleet, whose Tiercache-* and
	// Cache-Status fields can be believed.
	FromTier bool
}

// SafeToRetry reports whether a request may be sent a second time after a connection broke
// (RFC 9110, 9.2.2), which also needs a body that is not spent.
func (r *Request) SafeToRetry() bool {
	switch r.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return r.Body == nil
	}
	return false
}
