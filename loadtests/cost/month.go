package cost

import (
	"fmt"
	"math"
)

const (
	// monthSeconds is a twelfth of 365 days.
	monthSeconds = 365 * 24 * 3600 / 12

	gigabyte = 1e9

	// maxNodes bounds the search for a number of nodes of a tier.
	maxNodes = 1000
)

// Fleet is what carries a rate of requests with machines of one size, and what a month of it costs.
type Fleet struct {
	Machine Machine
	Rate    float64 // client requests a second
	Missing string  // why no number of these machines does it; empty: it does

	Edges, Regionals, Origins, Controls int
	Mix                                 Mix     // over that many edges
	L1                                  float64 // room for l1_size in each edge, in bytes
	EdgeMegabits                        float64 // a second that an edge sends

	Machines     float64 // price a month of all
	EdgeEgress   float64 // of what clients get
	OriginEgress float64 // of what the origin sends
	Without      float64 // origin egress if the origin sent all of it
}

// Count is the number of machines.
func (f *Fleet) Count() int { return f.Edges + f.Regionals + f.Origins + f.Controls }

// Total is the price of a month.
func (f *Fleet) Total() float64 { return f.Machines + f.EdgeEgress + f.OriginEgress }

// PerMillion is the price of a million requests: of the machines, and in all.
func (f *Fleet) PerMillion() (machines, total float64) {
	millions := f.Rate * monthSeconds / 1e6
	return f.Machines / millions, f.Total() / millions
}

// Saved is how much less the origin's egress costs than without caches.
func (f *Fleet) Saved() float64 { return f.Without - f.OriginEgress }

// Fleet reckons with the shares of the measured mix.
func (m *Measured) Fleet(p *Prices, machine *Machine, rate float64) Fleet {
	f := Fleet{Machine: *machine, Rate: rate}
	if f.Missing = m.deal(p, &f); f.Missing != "" {
		return Fleet{Machine: *machine, Rate: rate, Missing: f.Missing}
	}
	f.L1 = m.L1Room(p, machine, rate/float64(f.Edges))
	f.EdgeMegabits = rate / float64(f.Edges) * f.Mix.Bytes * 8 / 1e6
	f.Machines = float64(f.Count()) * machine.Month
	month := rate * monthSeconds / gigabyte
	f.EdgeEgress = month * f.Mix.Bytes * p.EdgeEgress
	f.OriginEgress = month * f.Mix.OriginBytes * p.OriginEgress
	f.Without = month * f.Mix.Bytes * p.OriginEgress
	return f
}

// deal finds out how many machines of each kind there must be, or says why no number will do.
func (m *Measured) deal(p *Prices, f *Fleet) (missing string) {
	cost, idle, groups := m.MixCost(), m.Units().Idle, Groups()
	for _, group := range groups[1:] {
		if !m.fits(p, &f.Machine, group) {
			return group.Name + " does not fit into the memory"
		}
	}
	// More edges ask the region for more, so each of them carries less.
	byMemory := m.EdgeCarries(p, &f.Machine)
	f.Edges = least(p.AtLeast.Edge, f.Rate, func(n int) float64 {
		return min(byMemory, p.Carries(&f.Machine, idle[Edge], cost.Of(n, n, Edge)))
	})
	if f.Edges == 0 {
		return "no number of edges does it"
	}
	f.Mix = cost.mix.Over(f.Edges)
	region := groups[1].Roles
	f.Regionals = least(p.AtLeast.Regional, f.Rate, func(n int) float64 {
		return p.Carries(&f.Machine, idle.Sum(region...), cost.Of(f.Edges, n, region...))
	})
	if f.Regionals == 0 {
		return "no number of regional nodes does it"
	}
	for _, group := range groups[2:] { // one PostgreSQL takes all writes, and one control node all purges
		if carries := p.Carries(&f.Machine, idle.Sum(group.Roles...), cost.Of(f.Edges, 1, group.Roles...)); carries < f.Rate {
			return fmt.Sprintf("%s carries %s requests a second", group.Name, count(math.Floor(carries)))
		}
	}
	f.Origins, f.Controls = p.AtLeast.Origin, p.AtLeast.Control
	return ""
}

// least is the least number of nodes, from one on, that carry the rate; carries is what each of n does. 0: no number does it.
func least(from int, rate float64, carries func(n int) float64) int {
	for n := from; n <= maxNodes; n++ {
		if carries(n)*float64(n) >= rate {
			return n
		}
	}
	return 0
}
