package origin

import (
	"context"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
	"tiercache/shared/token"
)

const (
	// maxStreams bounds the bodies that move at once, in either direction; each takes up to three
	// chunks of memory. One more gets 503.
	maxStreams = 256

	stallTimeout = 30 * time.Second
	chunkTimeout = 2 * time.Minute
)

// Origin serves objects over HTTP.
type Origin struct {
	cfg     Config
	store   Store
	log     *slog.Logger
	tel     *telemetry.Telemetry
	metrics *metrics
	tokens  token.Set
	streams chan struct{} // one element for each body that moves
	limits  limits

	// Listening, when set before Part's Run, hears of the bound address.
	Listening func(net.Addr)
	// PublishLog, when set before Publish is called, sends encoded entries to the nodes.
	PublishLog func(entries []byte) error

	control   *http.Client // for receipts
	tierToken string       // set by ReadTokens; empty: no tier is believed

	published, unpublished atomic.Uint64 // messages of Publish
}

// New returns an origin over store. It does no I/O.
func New(cfg Config, store Store, tel *telemetry.Telemetry, log *slog.Logger) (*Origin, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o := &Origin{
		cfg:     cfg,
		store:   store,
		log:     log,
		tel:     tel,
		streams: make(chan struct{}, maxStreams),
		limits:  limits{stall: stallTimeout, chunkTime: chunkTimeout},
		control: newReceiptClient(),
	}
	var err error
	if o.metrics, err = newMetrics(tel, store); err == nil {
		err = o.observePublished(tel.Meter())
	}
	if err != nil {
		return nil, fmt.Errorf("origin metrics: %w", err)
	}
	return o, nil
}

// Part is the listener. It reads the token files when it starts, and ends with an error if it can not.
func (o *Origin) Part() runner.Part {
	server := runner.Server{
		Name:         "origin",
		Addr:         o.cfg.Listen,
		Handler:      o,
		Log:          o.log,
		DrainTimeout: o.cfg.DrainTimeout,
		Listening:    o.Listening,
	}.Part()
	return runner.Part{Name: server.Name, Run: func(ctx context.Context, ready func()) error {
		if err := o.ReadTokens(); err != nil {
			return err
		}
		defer o.control.CloseIdleConnections()
		return server.Run(ctx, ready)
	}}
}

// ServeHTTP implements http.Handler.
func (o *Origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	t := targetOf(r)
	ctx, span := o.tel.StartRequest(r.Context(), "origin "+t.route.String(), o.trusted(r))
	defer span.End()
	rep := newReply(w, r, o.limits.stall)
	defer func() {
		if span.IsRecording() {
			span.SetAttributes(attribute.String("http.request.method", methodLabel(r.Method)),
				attribute.Int("http.response.status_code", rep.status))
		}
		o.metrics.record(ctx, t.route, r.Method, rep, time.Since(started))
	}()
	o.serve(rep, r.WithContext(ctx), t)
	rep.finish()
}

// serve hands the request to its route.
func (o *Origin) serve(w *reply, r *http.Request, t target) {
	switch t.route {
	case routeObject:
		o.serveAPIObject(w, r, t)
	case routeListing:
		o.serveListing(w, r, t)
	default:
		o.servePublic(w, r, t)
	}
}

// trusted returns the fields of a request for tracing: none unless a tier of ours sent it and says that
// it traces the request. Each sampled request costs, and anybody can write a traceparent.
func (o *Origin) trusted(r *http.Request) func(string) string {
	secret := r.Header.Get("Tiercache-Tier")
	if o.tierToken == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(o.tierToken)) != 1 || r.Header.Get("Tiercache-Traced") == "" {
		return func(string) string { return "" }
	}
	return r.Header.Get
}

// acquire takes a slot for a body that will move; the caller must call the function that it returns.
func (o *Origin) acquire() (release func(), err error) {
	select {
	case o.streams <- struct{}{}:
		return func() { <-o.streams }, nil
	default:
		return nil, refuse(http.StatusServiceUnavailable, "%d transfers are under way already; try again soon", maxStreams)
	}
}

// authorize checks the bearer token.
func (o *Origin) authorize(r *http.Request, need token.Role) error {
	return o.tokens.Check(r.Header.Get("Authorization"), need)
}

// allow refuses a method that the resource does not have.
func allow(r *http.Request, methods ...string) error {
	for _, m := range methods {
		if r.Method == m {
			return nil
		}
	}
	list := strings.Join(methods, ", ")
	p := refuse(http.StatusMethodNotAllowed, "this resource has the methods %s", list)
	p.allow = list
	return p
}
