package cost

import (
	"encoding/json"
	"fmt"
	"os"
)

// Case is what becomes of the requests of a phase.
type Case string

// The cases. All but CaseIdle, CaseWrite and CasePurge are requests of clients at an edge.
const (
	CaseIdle  Case = "idle"  // nothing happens
	CaseL1    Case = "l1"    // the edge answers from memory
	CaseL2    Case = "l2"    // the edge asks the regional node, which answers from Redis
	CaseFill  Case = "fill"  // nobody has it: the origin reads it from PostgreSQL, both tiers store it
	CaseMix   Case = "mix"   // by popularity, among more objects than L1 holds, while some are written and purged
	CaseWrite Case = "write" // objects are stored at the origin
	CasePurge Case = "purge" // tags are purged through control
)

// Measured is a whole measurement.
type Measured struct {
	Date       string  `json:"date"`    // UTC, to the minute
	Machine    string  `json:"machine"` // cores, and their model
	LoadBefore string  `json:"load_before"`
	LoadAfter  string  `json:"load_after"`
	Seconds    float64 `json:"seconds"` // of each phase, as asked for
	Took       float64 `json:"took"`    // seconds, all of it

	Objects int     `json:"objects"`
	Bytes   int64   `json:"bytes"` // of all objects
	Sizes   []Share `json:"sizes"`
	Hot     int     `json:"hot"` // objects that CaseL1 asks for
	L1      int64   `json:"l1"`  // the edge's l1_size, in bytes
	Zipf    float64 `json:"zipf"`
	Seed    uint64  `json:"seed"`
	PerTag  int     `json:"per_tag"`

	// Writes and Purges are how many there are for each request of CaseMix.
	Writes float64 `json:"writes"`
	Purges float64 `json:"purges"`

	Connections     int     `json:"connections"`      // that were opened to see what one takes
	ConnectionBytes float64 `json:"connection_bytes"` // of the edge's memory

	Phases []Phase `json:"phases"`
}

// Phase is one case at one rate.
type Phase struct {
	Case    Case    `json:"case"`
	Rate    float64 `json:"rate"`    // requests a second; of CaseWrite and CasePurge writes and purges
	Seconds float64 `json:"seconds"` // from the first reading of /proc to the last

	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	Bytes    float64 `json:"bytes"`  // of bodies, as clients got them
	P50      float64 `json:"p50_ms"` // from when a request was due until its body had ended
	P99      float64 `json:"p99_ms"`
	Writes   int     `json:"writes"`
	Purges   int     `json:"purges"`

	// What the tiers counted: requests at the edge, at the regional node and at the origin, and bytes of the origin's bodies.
	EdgeRequests     float64 `json:"edge_requests"`
	RegionalRequests float64 `json:"regional_requests"`
	OriginRequests   float64 `json:"origin_requests"`
	OriginBytes      float64 `json:"origin_bytes"`

	CPU    ByRole `json:"cpu"`    // seconds of processor time
	Memory ByRole `json:"memory"` // bytes, at the end

	LoadBefore string `json:"load_before"`
	LoadAfter  string `json:"load_after"`
}

// ReadMeasured reads what Write has written. Errors: the file's own, or that it is no whole measurement.
func ReadMeasured(path string) (m Measured, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	if err := m.Validate(); err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Write keeps the measurement in a file.
func (m *Measured) Write(path string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// Validate reports what is missing for the arithmetic of a page.
func (m *Measured) Validate() error {
	for _, c := range []Case{CaseIdle, CaseL1, CaseL2, CaseFill, CaseMix, CaseWrite, CasePurge} {
		p := m.last(c)
		if p == nil {
			return fmt.Errorf("no phase of case %q", c)
		}
		if p.Seconds <= 0 || c != CaseIdle && p.Requests <= 0 {
			return fmt.Errorf("case %q: %d requests in %g seconds", c, p.Requests, p.Seconds)
		}
		for _, role := range Roles() {
			if p.Memory[role] <= 0 {
				return fmt.Errorf("case %q: no memory of %s", c, role)
			}
		}
	}
	if mix := m.last(CaseMix); mix.EdgeRequests <= 0 || mix.Bytes <= 0 || m.ConnectionBytes <= 0 {
		return fmt.Errorf("case %q: no requests at the edge, no bytes, or no memory of a connection", CaseMix)
	}
	return nil
}

// last is the phase of a case with the highest rate, which is measured last: what is reckoned with. Nil: there is none.
func (m *Measured) last(c Case) (found *Phase) {
	for i := range m.Phases {
		if m.Phases[i].Case == c {
			found = &m.Phases[i]
		}
	}
	return found
}

// Memory is the most that a role held at the end of any phase, in bytes.
func (m *Measured) Memory(role Role) (most float64) {
	for i := range m.Phases {
		most = max(most, m.Phases[i].Memory[role])
	}
	return most
}

// check says whether the requests of a phase became what its case is.
func (p *Phase) check() error {
	if p.Errors*1000 > p.Requests {
		return fmt.Errorf("%d of %d requests failed", p.Errors, p.Requests)
	}
	forwarded, filled := p.RegionalRequests/p.EdgeRequests, p.OriginRequests/p.EdgeRequests
	switch {
	case p.Case == CaseL1 && forwarded > 0.01:
		return fmt.Errorf("%.1f %% of the requests were not answered from L1", 100*forwarded)
	case p.Case == CaseL2 && (forwarded < 0.95 || filled > 0.01):
		return fmt.Errorf("%.1f %% of the requests reached the regional node, and %.1f %% the origin", 100*forwarded, 100*filled)
	case p.Case == CaseFill && filled < 0.99:
		return fmt.Errorf("%.1f %% of the requests reached the origin", 100*filled)
	}
	return nil
}
