package runner

import (
	"sync"
	"time"
)

// Health is what a node knows about its own state, by component. It is safe for concurrent use.
type Health struct {
	mu struct {
		sync.Mutex
		components map[string]*Component
		draining   bool
	}
}

// Component is one thing that a node depends on or consists of. It is not OK until told so.
type Component struct {
	health   *Health
	name     string
	required bool // fixed at creation

	// Guarded by health.mu.
	ok     bool
	detail string
	since  time.Time // when ok last changed
}

// NewHealth returns a Health without components, which is ready.
func NewHealth() *Health {
	h := &Health{}
	h.mu.components = make(map[string]*Component)
	return h
}

// Component returns the component of that name and makes it, in state "not checked yet", when it is
// new. A node is ready only while each required component is OK. For an existing one, required is
// ignored.
func (h *Health) Component(name string, required bool) *Component {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, ok := h.mu.components[name]; ok {
		return c
	}
	c := &Component{health: h, name: name, required: required, detail: "not checked yet", since: time.Now()}
	h.mu.components[name] = c
	return c
}

// OK says that the component works; detail may be empty.
func (c *Component) OK(detail string) { c.set(true, detail) }

// Fail says that the component does not work, and why, in words for an operator.
func (c *Component) Fail(reason string) { c.set(false, reason) }

func (c *Component) set(ok bool, detail string) {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	if c.ok != ok {
		c.ok, c.since = ok, time.Now()
	}
	c.detail = detail
}

// Draining makes the node not ready for good: it is stopping.
func (h *Health) Draining() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.draining = true
}
