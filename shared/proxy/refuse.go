package proxy

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"tiercache/shared/httpcache"
)

// refusal is a reply that this node makes itself.
type refusal struct {
	status     int
	proxyError httpcache.ProxyError
	text       string
	retryAfter int // s; 0 leaves the field out
}

var (
	refusalConnect     = &refusal{status: http.StatusNotImplemented, proxyError: httpcache.HTTPRequestDenied, text: "CONNECT is not supported: this is a cache, not a tunnel"}
	refusalUpgrade     = &refusal{status: http.StatusNotImplemented, proxyError: httpcache.HTTPRequestDenied, text: "Upgrade is not supported: leave the field out"}
	refusalTrace       = &refusal{status: http.StatusNotImplemented, proxyError: httpcache.HTTPRequestDenied, text: "TRACE is not supported: it would repeat credentials to whoever can make a client send it"}
	refusalTarget      = &refusal{status: http.StatusBadRequest, proxyError: httpcache.HTTPRequestError, text: "request target is not a path with an optional query"}
	refusalHost        = &refusal{status: http.StatusBadRequest, proxyError: httpcache.HTTPRequestError, text: "Host is missing or not a host name"}
	refusalUnknownHost = &refusal{status: http.StatusMisdirectedRequest, proxyError: httpcache.DestinationNotFound, text: "no service answers for this host"}
	refusalLoop        = &refusal{status: http.StatusLoopDetected, proxyError: httpcache.ProxyLoopDetected, text: "the request has passed this node already (CDN-Loop)"}
	refusalBody        = &refusal{status: http.StatusRequestEntityTooLarge, proxyError: httpcache.HTTPRequestError, text: "request body is larger than this node passes on"}
	refusalReading     = &refusal{status: http.StatusBadRequest, proxyError: httpcache.HTTPRequestError, text: "request body is malformed or ended early"}
	refusalCached      = &refusal{status: http.StatusGatewayTimeout, proxyError: httpcache.HTTPRequestDenied, text: "only-if-cached, and nothing usable is stored"}
	refusalBusy        = &refusal{status: http.StatusServiceUnavailable, proxyError: httpcache.ConnectionLimitReached, text: "too many requests to the upstream are in flight", retryAfter: 1}
	refusalTimeout     = &refusal{status: http.StatusGatewayTimeout, proxyError: httpcache.HTTPResponseTimeout, text: "the upstream did not answer in time"}
	refusalUnreachable = &refusal{status: http.StatusGatewayTimeout, proxyError: httpcache.DestinationUnavailable, text: "the upstream can not be reached", retryAfter: 1}
	refusalBehind      = &refusal{status: http.StatusGatewayTimeout, proxyError: httpcache.DestinationUnavailable, text: "the epoch that is asked for is not applied here yet", retryAfter: 1}
	refusalNotLive     = &refusal{status: http.StatusGatewayTimeout, proxyError: httpcache.DestinationUnavailable, text: "this service needs nodes that hold a lease, and none answers", retryAfter: 1}
	refusalUpstream    = &refusal{status: http.StatusBadGateway, proxyError: httpcache.HTTPProtocolError, text: "the upstream answered with 304 to a request without a condition"}
	refusalProtocol    = &refusal{status: http.StatusBadGateway, proxyError: httpcache.HTTPProtocolError, text: "the upstream's response is not HTTP"}
	refusalCoding      = &refusal{status: http.StatusBadGateway, proxyError: httpcache.HTTPResponseCoding, text: "the upstream's response has an unknown transfer coding"}
	refusalBroken      = &refusal{status: http.StatusBadGateway, proxyError: httpcache.ProxyInternalError, text: "the response could not be fetched"}
)

// refusalOf is the reply to a request whose fill or pass failed.
func refusalOf(err error) *refusal {
	switch {
	case errors.Is(err, errBodyLimit):
		return refusalBody
	case errors.Is(err, ErrRequestBody):
		return refusalReading
	case errors.Is(err, ErrBusy):
		return refusalBusy
	case errors.Is(err, ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return refusalTimeout
	case errors.Is(err, ErrUnreachable):
		return refusalUnreachable
	case errors.Is(err, ErrProtocol):
		return refusalProtocol
	case errors.Is(err, ErrCoding):
		return refusalCoding
	case errors.Is(err, errBehind):
		return refusalBehind
	case errors.Is(err, errNotLive):
		return refusalNotLive
	case errors.Is(err, errUnasked):
		return refusalUpstream
	}
	return refusalBroken
}

// refuse sends a reply of our own. Its body names what is wrong and nothing of the inside.
func (p *Proxy) refuse(r *request, why *refusal) {
	p.count(r, httpcache.Error)
	f := r.fields[:0]
	f = appendField(f, "Content-Type", "text/plain; charset=utf-8")
	f = appendField(f, "Cache-Control", "no-store")
	f = append(f, "Date: "...)
	f = httpcache.AppendDate(f, r.now.Unix())
	f = append(f, "\r\nProxy-Status: "...)
	f = httpcache.AppendProxyStatus(f, p.cfg.Node, why.proxyError)
	f = append(f, "\r\n"...)
	f = p.appendStatus(f, httpcache.Member{Outcome: httpcache.Error, Detail: why.text})
	if why.retryAfter > 0 {
		f = appendField(f, "Retry-After", strconv.Itoa(why.retryAfter))
	}
	r.fields = f
	r.x.Reply(why.status, f, Payload{Bytes: []byte(why.text + "\n")})
}
