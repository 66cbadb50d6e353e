// Package listener takes requests with fasthttp and hands them to a proxy as Exchanges. It is the hot
// path's front door: it allocates nothing per request beyond what fasthttp does, refuses what it can
// not frame with a clear 4xx and a closed connection, and bounds headers, time and connections.
//
// It knows nothing of caching. Start reading at Listener.Run, then exchange.go.
package listener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
)

// Limits of a listener.
const (
	readTimeout     = 30 * time.Second // for a request's head
	readStall       = 30 * time.Second // for each part of a request's body
	idleTimeout     = 75 * time.Second
	writeStall      = 60 * time.Second // for a reply in memory, and for each part of a streamed one
	maxConcurrency  = 100_000
	prefetchRequest = 1 << 20 // of a request body; the rest is streamed
	writeBufferSize = 16 << 10
)

// Config says where to listen.
type Config struct {
	// Addr is host:port.
	Addr string
	// DrainTimeout bounds the wait for requests in flight at a stop.
	DrainTimeout time.Duration
	// FromTiers says that requests come from nodes that have kept the limits of a head and then added to it: the
	// limits are higher by what that may be.
	FromTiers bool
}

// Handler serves one exchange. It must call Reply.
type Handler func(ctx context.Context, x proxy.Exchange)

// Listener accepts connections and serves requests.
type Listener struct {
	cfg    Config
	handle Handler
	log    *slog.Logger
	server *fasthttp.Server
	base   context.Context // of the requests; set by Run before the first one
	pool   sync.Pool       // of *exchange
	ends   endings
}

// New returns a listener; Run opens it.
func New(cfg Config, handle Handler, log *slog.Logger) *Listener {
	l := &Listener{cfg: cfg, handle: handle, log: log}
	l.pool.New = func() any { return newExchange(&l.ends, l.log) }
	l.server = &fasthttp.Server{
		Handler:                      l.serve,
		ErrorHandler:                 refuse,
		HeaderReceived:               beforeBody,
		ConnState:                    l.ends.watch,
		Logger:                       quiet{},
		SecureErrorLogMessage:        true,
		ReadBufferSize:               limitsOf(cfg.FromTiers).buffer(),
		WriteBufferSize:              writeBufferSize,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeStall,
		IdleTimeout:                  idleTimeout,
		Concurrency:                  maxConcurrency,
		MaxRequestBodySize:           prefetchRequest,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultDate:                true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
	}
	return l
}

// Run listens until the context ends, then stops accepting and waits for requests in flight.
func (l *Listener) Run(ctx context.Context, ready func()) error {
	socket, err := net.Listen("tcp", l.cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return l.run(ctx, socket, ready)
}

func (l *Listener) run(ctx context.Context, socket net.Listener, ready func()) error {
	l.base = context.WithoutCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- l.server.Serve(scanned{socket, limitsOf(l.cfg.FromTiers)}) }()
	ready()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	// A Shutdown that comes before Serve knows of the socket closes nothing and waits for nobody. So accepting ends
	// first, by itself: when Serve has returned, it has counted all that it took.
	_ = socket.Close()
	<-served
	drain, cancel := context.WithTimeout(l.base, l.cfg.DrainTimeout)
	defer cancel()
	if err := l.server.ShutdownWithContext(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("shut down: %w", err)
	}
	l.ends.wait(drain)
	return nil
}

func (l *Listener) serve(ctx *fasthttp.RequestCtx) {
	if connOf(ctx.Conn()).disagrees(ctx) {
		refuse(ctx, refusedAhead)
		return
	}
	x := l.pool.Get().(*exchange)
	x.begin(ctx)
	if err := x.drain(); err != nil {
		refuse(ctx, err)
	} else {
		if !l.served(ctx, x) {
			return // x may be in use by whatever panicked
		}
		if ctx.IsConnect() || httpcache.AsksForProtocol(x.Header()) {
			// A client that takes the reply for consent would go on with something else than requests (RFC 9110, 7.8
			// and 9.3.6). Nobody reads that as requests.
			ctx.SetConnectionClose()
			connOf(ctx.Conn()).unread.Store(true)
		}
		if !ctx.Hijacked() && x.unread() {
			// The reply must say that it is the last one, which can not wait for what an upstream reads while it goes out:
			// a client that is not told sends its next request where nobody reads it (RFC 9112, 9.6).
			ctx.SetConnectionClose()
			connOf(ctx.Conn()).last.Store(true)
		}
	}
	x.end()
	l.pool.Put(x)
}

// served hands the exchange to the handler. A panic there ends this one request and its connection, not the process;
// ok is false then.
func (l *Listener) served(ctx *fasthttp.RequestCtx, x *exchange) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			l.log.Error("a request panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			ctx.Response.Reset()
			reject(ctx, fasthttp.StatusInternalServerError, "the request could not be served\n")
		}
	}()
	l.handle(l.base, x)
	return true
}

// beforeBody gives the part of a body that fasthttp reads before it calls serve a stall limit of its own. Where
// there is none, no "100 Continue" is sent: it would be an answer too many.
func beforeBody(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	if length := h.ContentLength(); length != 0 && length != neitherLength {
		c.ReadTimeout = readStall
	} else {
		h.Del(fasthttp.HeaderExpect)
	}
	return c
}

// refuse answers a request that could not be read; fasthttp closes the connection behind it.
func refuse(ctx *fasthttp.RequestCtx, err error) {
	status, text := fasthttp.StatusBadRequest, "malformed request\n"
	var timeout net.Error
	why := connOf(ctx.Conn()).refused // of this request; fasthttp hides some errors of a read in its own
	switch {
	case why != nil || errors.As(err, &why):
		status, text = why.status, "request refused: "+why.why+"\n"
	case errors.As(err, &timeout) && timeout.Timeout():
		status, text = fasthttp.StatusRequestTimeout, "request did not arrive in time\n"
	}
	reject(ctx, status, text)
}

// reject answers with an error and closes the connection: where the next request begins is in doubt.
func reject(ctx *fasthttp.RequestCtx, status int, text string) {
	ctx.Response.Reset()
	ctx.SetStatusCode(status)
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.Response.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.Response.Header.Set("Proxy-Status", "tiercache; error=http_request_error")
	ctx.SetBodyString(text)
	ctx.SetConnectionClose()
	connOf(ctx.Conn()).unread.Store(true)
}

// quiet drops fasthttp's own log lines: they are per connection, and what matters is counted.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
