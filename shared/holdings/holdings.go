package holdings

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/policy"
)

const (
	// maxAsked bounds the questions in progress; one above that is told so.
	maxAsked = 4
	// maxQuestion bounds a question, in bytes.
	maxQuestion = 1 << 20
)

// View is the node's view of the control log, as its requests use it: see proxy.ControlLog.
type View interface {
	Applied() uint64
	Check(stamp uint64, scopes []object.Scope) invalidation.Verdict
	Live(now time.Time) bool
}

// Bus is how control asks: bus.Bus is one.
type Bus interface {
	ServeAsk(tier, node string, handle func(payload []byte, reply func([]byte))) (stop func(), err error)
}

// Config says which node it is.
type Config struct {
	Tier, Node string
	// CountAll: a store of up to so many values is looked at as a whole for a count; of a larger one what says enough.
	// 0: 50,000.
	CountAll int
}

// Deps are what Holdings works with.
type Deps struct {
	Store object.Walker
	View  View
	Bus   Bus // nil: nobody can ask
	Log   *slog.Logger
}

// Holdings answers what control asks. Its methods are safe for concurrent use.
type Holdings struct {
	cfg      Config
	deps     Deps
	services atomic.Pointer[map[string]*policy.Match]
	walks    walks
	slots    chan struct{} // holds one for each question in progress
}

// New returns what answers; Run makes it listen.
func New(cfg Config, deps Deps) *Holdings {
	if cfg.CountAll == 0 {
		cfg.CountAll = countAll
	}
	h := &Holdings{cfg: cfg, deps: deps, slots: make(chan struct{}, maxAsked)}
	h.services.Store(&map[string]*policy.Match{})
	return h
}

// SetPolicy puts other service documents into force.
func (h *Holdings) SetPolicy(set *policy.Set) {
	services := make(map[string]*policy.Match, len(set.All()))
	for _, m := range set.All() {
		services[m.Name] = m
	}
	h.services.Store(&services)
}

// Run answers until ctx ends.
func (h *Holdings) Run(ctx context.Context, ready func()) error {
	if h.deps.Bus == nil {
		ready()
		<-ctx.Done()
		return nil
	}
	var asked sync.WaitGroup
	defer h.walks.close()
	defer asked.Wait()
	stop, err := h.deps.Bus.ServeAsk(h.cfg.Tier, h.cfg.Node, func(payload []byte, reply func([]byte)) {
		select {
		case h.slots <- struct{}{}:
		default:
			h.send(reply, Answer{Problem: "the node is answering other questions: ask again"})
			return
		}
		asked.Go(func() {
			defer func() { <-h.slots }()
			h.send(reply, h.heard(ctx, payload))
		})
	})
	if err != nil {
		return err
	}
	defer stop()
	ready()
	<-ctx.Done()
	return nil
}

func (h *Holdings) send(reply func([]byte), a Answer) {
	encoded, err := json.Marshal(a)
	if err != nil {
		h.deps.Log.Error("an answer about what is stored cannot be written", "error", err)
		return
	}
	reply(encoded)
}

// heard answers a question as it came.
func (h *Holdings) heard(ctx context.Context, payload []byte) Answer {
	var q Question
	if len(payload) > maxQuestion {
		return Answer{Problem: "the question is too long"}
	}
	if err := json.Unmarshal(payload, &q); err != nil {
		return Answer{Problem: "the question cannot be read"}
	}
	return h.Answer(ctx, &q)
}

// Answer answers a question.
func (h *Holdings) Answer(ctx context.Context, q *Question) Answer {
	var a Answer
	var err error
	switch {
	case q.Entries != nil:
		a.Page, err = h.page(ctx, q.Entries)
	case q.Count != nil:
		a.Count, err = h.count(ctx, q.Count)
	default:
		err = fmt.Errorf("this node does not know the question")
	}
	if err != nil {
		return Answer{Problem: err.Error()}
	}
	return a
}
