package cost

import (
	"fmt"
	"math"

	"tiercache/shared/config"
)

// Prices are what machines and bytes cost, and the assumptions that a fleet is reckoned with. prices.yaml explains each.
type Prices struct {
	Currency              string      `yaml:"currency"`
	Machines              []Machine   `yaml:"machines"`
	OriginEgress          float64     `yaml:"origin_egress"` // a GB of 10^9 bytes
	EdgeEgress            float64     `yaml:"edge_egress"`
	TargetUtilisation     float64     `yaml:"target_utilisation"` // of a machine's cores, 0 to 1
	MemoryShare           float64     `yaml:"memory_share"`       // of its memory, 0 to 1
	RequestsPerConnection float64     `yaml:"requests_per_connection"`
	L1Overhead            float64     `yaml:"l1_overhead"` // memory for each byte of l1_size, at least 1
	Rates                 []float64   `yaml:"rates"`       // client requests a second
	AtLeast               MinMachines `yaml:"at_least"`
}

// Machine is a size that can be rented.
type Machine struct {
	Name   string      `yaml:"name"`
	VCPUs  int         `yaml:"vcpus"`
	Memory config.Size `yaml:"memory"`
	Month  float64     `yaml:"month"` // price
}

// MinMachines is how many machines of each kind a fleet has at least.
type MinMachines struct {
	Edge     int `yaml:"edge"`
	Regional int `yaml:"regional"` // with Redis
	Origin   int `yaml:"origin"`   // with PostgreSQL
	Control  int `yaml:"control"`  // with NATS
}

// FieldError says which field of a file of prices is wrong; config.Load puts file and line before it.
type FieldError struct{ Field, Reason string }

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// FieldPath is Field, as config.Locate takes it.
func (e *FieldError) FieldPath() string { return e.Field }

// ReadPrices reads a file like prices.yaml. Errors name file, line and field.
func ReadPrices(path string) (p Prices, err error) {
	err = config.Load(&p, config.Sources{File: path})
	return p, err
}

// Validate reports the first field that cannot be reckoned with, as a *FieldError.
func (p *Prices) Validate() error {
	if p.Currency == "" {
		return &FieldError{"currency", "is missing: name it, such as EUR"}
	}
	if len(p.Machines) == 0 {
		return &FieldError{"machines", "is missing: give at least one, with name, vcpus, memory and month"}
	}
	for i := range p.Machines {
		if err := p.Machines[i].check(fmt.Sprintf("machines[%d]", i)); err != nil {
			return err
		}
	}
	for i, rate := range p.Rates {
		if !(rate > 0) || math.IsInf(rate, 0) {
			return &FieldError{fmt.Sprintf("rates[%d]", i), fmt.Sprintf("%g requests a second: use more than 0", rate)}
		}
	}
	if len(p.Rates) == 0 {
		return &FieldError{"rates", "is missing: give requests a second, such as [1000]"}
	}
	for _, n := range []struct {
		field     string
		value     float64
		low, high float64
	}{
		{"origin_egress", p.OriginEgress, 0, math.MaxFloat64},
		{"edge_egress", p.EdgeEgress, 0, math.MaxFloat64},
		{"target_utilisation", p.TargetUtilisation, 0.01, 1},
		{"memory_share", p.MemoryShare, 0.01, 1},
		{"requests_per_connection", p.RequestsPerConnection, 1e-6, 1e6},
		{"l1_overhead", p.L1Overhead, 1, 10},
		{"at_least.edge", float64(p.AtLeast.Edge), 1, 1000},
		{"at_least.regional", float64(p.AtLeast.Regional), 1, 1000},
		{"at_least.origin", float64(p.AtLeast.Origin), 1, 1000},
		{"at_least.control", float64(p.AtLeast.Control), 1, 1000},
	} {
		if !(n.value >= n.low && n.value <= n.high) { // so that NaN is refused too
			return &FieldError{n.field, fmt.Sprintf("%g: use %s", n.value, span(n.low, n.high))}
		}
	}
	return nil
}

func span(low, high float64) string {
	if high == math.MaxFloat64 {
		return fmt.Sprintf("%g or more", low)
	}
	return fmt.Sprintf("%g to %g", low, high)
}

func (m *Machine) check(field string) error {
	switch {
	case m.Name == "":
		return &FieldError{field + ".name", "is missing"}
	case m.VCPUs < 1:
		return &FieldError{field + ".vcpus", fmt.Sprintf("%d: use 1 or more", m.VCPUs)}
	case m.Memory < 1<<20:
		return &FieldError{field + ".memory", fmt.Sprintf("%v: use a size such as 4GiB", m.Memory)}
	case !(m.Month >= 0) || math.IsInf(m.Month, 0):
		return &FieldError{field + ".month", fmt.Sprintf("%g: use 0 or more", m.Month)}
	}
	return nil
}
