package proxy

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"tiercache/shared/encoding"
	"tiercache/shared/flight"
	"tiercache/shared/object"
	"tiercache/shared/policy"
	"tiercache/shared/telemetry"
)

// Config is what a tier decides about its proxy.
type Config struct {
	// Node names this node in Cache-Status, Via and CDN-Loop. It is a token (RFC 9110, 5.6.2).
	Node string
	// FacesClients is set by the tier that clients talk to: it strips the fields that are meant for
	// caches, and it alone serves stale responses while it revalidates.
	FacesClients bool
	// TierToken is the secret by which nodes of the fleet know each other. Empty: nobody is believed.
	TierToken string
	// MaxObject is the largest body that is stored, in bytes. Larger ones flow through.
	MaxObject int64
	// MaxFills caps the fills in flight per service, and likewise the requests that go straight through;
	// one above it waits up to FillWait, then gets 503.
	MaxFills int
	// FillWait bounds the wait for a fill's turn.
	FillWait time.Duration
	// MaxRequestBody is the largest request body that is passed on, in bytes; above it the reply is 413.
	MaxRequestBody int64
	// KeepStale is how long a stored response is kept in the store beyond its lifetime, for
	// revalidation and stale-if-error.
	KeepStale time.Duration
}

// Defaults of a Config.
const (
	DefaultMaxObject = 64 << 20
	DefaultMaxFills  = 512
	DefaultFillWait  = 2 * time.Second
	DefaultKeepStale = 24 * time.Hour

	DefaultMaxRequestBody = 64 << 20

	// cdnID is the fleet's name in CDN-Loop (RFC 8586).
	cdnID = "tiercache"
	// hitForMissTTL is how long requests for a key that may not be stored go straight through.
	hitForMissTTL = 10 * time.Second
	// windowSegments is how much of a body a flight keeps in memory: 4 segments of 256 KiB.
	windowSegments = 4
	// maxVaryLoops bounds how often a waiter whose request selects another variant starts over.
	maxVaryLoops = 3
)

// Validate sets defaults and refuses what can not work.
func (c *Config) Validate() error {
	if c.Node == "" {
		return errors.New("proxy: node has no name")
	}
	if c.MaxObject < 0 || c.MaxFills < 0 {
		return fmt.Errorf("proxy: negative limit (max object %d, max fills %d)", c.MaxObject, c.MaxFills)
	}
	c.MaxObject = orDefault(c.MaxObject, DefaultMaxObject)
	c.MaxFills = orDefault(c.MaxFills, DefaultMaxFills)
	c.FillWait = orDefault(c.FillWait, DefaultFillWait)
	c.MaxRequestBody = orDefault(c.MaxRequestBody, DefaultMaxRequestBody)
	c.KeepStale = orDefault(c.KeepStale, DefaultKeepStale)
	return nil
}

func orDefault[T int | int64 | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// Deps are the parts that a proxy works with.
type Deps struct {
	Store    object.Store
	Upstream Upstream
	Policy   *policy.Set
	Log      *slog.Logger
	// Control is the node's view of the control log; nil: there is none, and nothing is ever purged.
	Control ControlLog
	// Purger has control purge what unsafe methods make invalid, for services that ask for that; nil: nobody can be
	// asked.
	Purger Purger
	// Tracer is nil when tracing is off.
	Tracer trace.Tracer
	// Took measures requests by outcome, from their arrival until the reply's head is on its way; its label
	// values are OutcomeNames. nil: nothing is measured.
	Took *telemetry.Durations
	// Now is the clock; nil is the system's.
	Now func() time.Time
	// Random names bodies; nil is crypto/rand.
	Random io.Reader
}

// Proxy serves requests from a store and fills what is missing. It is safe for concurrent use.
type Proxy struct {
	cfg      Config
	store    object.Store
	upstream Upstream
	policy   atomic.Pointer[policy.Set]
	control  ControlLog
	logged   bool // there is a control log
	purger   Purger
	log      *slog.Logger
	tracer   trace.Tracer
	tracing  bool
	took     *telemetry.Durations
	now      func() time.Time
	random   io.Reader

	flights   flight.Group[*result]
	limits    limits // of fills
	passes    limits // of exchanges that go straight through
	resting   pauses
	lists     listLocks
	demands   demands
	stats     Stats
	forgotten forgotten
	searches  searches
	// fills counts the fills in flight, so that Drain can wait for what they still store.
	fills underWay

	compressor *encoding.Compressor

	pseudonym string // in Via
	requests  sync.Pool
}

// New returns a proxy. It starts nothing; goroutines begin with the fills of requests.
func New(cfg Config, deps Deps) (*Proxy, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Proxy{
		cfg: cfg, store: deps.Store, upstream: deps.Upstream, log: deps.Log,
		tracer: deps.Tracer, tracing: deps.Tracer != nil, took: deps.Took, now: deps.Now, random: deps.Random,
		compressor: encoding.New(maxEncoders),
		pseudonym:  cfg.Node + " (tiercache)",
	}
	p.control, p.logged, p.purger = deps.Control, deps.Control != nil, deps.Purger
	if !p.logged {
		p.control = unlogged{}
	}
	if p.tracer == nil {
		p.tracer = noop.NewTracerProvider().Tracer("")
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.random == nil {
		p.random = rand.Reader
	}
	p.requests.New = func() any { return new(request) }
	p.limits.max, p.passes.max = cfg.MaxFills, cfg.MaxFills
	p.policy.Store(deps.Policy)
	return p, nil
}

// SetPolicy puts other service documents into force, for requests that begin from now on.
func (p *Proxy) SetPolicy(set *policy.Set) { p.policy.Store(set) }

// Drain waits until the fills in flight are stored, at most for the given time.
func (p *Proxy) Drain(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.fills.none():
	case <-timer.C:
	}
}

// BelievesTrace reports whether the request's traceparent was made by a node of the fleet.
func (p *Proxy) BelievesTrace(x Exchange) bool {
	return x.Header().Value(TracedField) != "" && p.believes(x.Header().Value(tierField))
}

// believes reports whether token is the fleet's own.
func (p *Proxy) believes(token string) bool {
	return p.cfg.TierToken != "" && subtle.ConstantTimeCompare([]byte(token), []byte(p.cfg.TierToken)) == 1
}
