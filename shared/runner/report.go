package runner

import (
	"slices"
	"time"
)

// Report is a snapshot of a Health, in the form that /readyz answers.
type Report struct {
	Ready      bool                       `json:"ready"`
	WaitingFor []string                   `json:"waiting_for"` // "component: reason", sorted; never null
	Components map[string]ComponentReport `json:"components"`
}

// ComponentReport is the state of one component.
type ComponentReport struct {
	OK       bool      `json:"ok"`
	Required bool      `json:"required"`
	Detail   string    `json:"detail"`
	Since    time.Time `json:"since"` // when OK last changed, UTC, to the second
}

// Report returns the state of all components at this moment.
func (h *Health) Report() Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := Report{WaitingFor: []string{}, Components: make(map[string]ComponentReport, len(h.mu.components))}
	for name, c := range h.mu.components {
		r.Components[name] = ComponentReport{
			OK: c.ok, Required: c.required, Detail: c.detail, Since: c.since.UTC().Truncate(time.Second),
		}
		if c.required && !c.ok {
			r.WaitingFor = append(r.WaitingFor, name+": "+c.detail)
		}
	}
	if h.mu.draining {
		r.WaitingFor = append(r.WaitingFor, "draining: the node is stopping")
	}
	slices.Sort(r.WaitingFor)
	r.Ready = len(r.WaitingFor) == 0
	return r
}

// Ready reports whether every required component is OK and the node is not draining.
func (h *Health) Ready() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.mu.components {
		if c.required && !c.ok {
			return false
		}
	}
	return !h.mu.draining
}
