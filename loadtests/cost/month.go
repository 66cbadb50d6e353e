package cost

import (
	"fmt"
	"math"
)

const (
	// monthSeconds is a twelfth of 365 days.
	monthSeconds = 365 * 24 * 3600 / 12

	gigabyte = 1e9

	// maxEdges bounds the search for a number of edges.
	maxEdges = 1000
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
	units, mix := m.Units(), m.last(CaseMix).Mix()
	if f.Edges, f.Mix = m.edges(p, machine, &units, mix, rate); f.Edges == 0 {
		f.Missing = "no number of edges does it"
		return f
	}
	groups, costs := Groups(), units.Cost(f.Mix)
	for i, count := range []*int{&f.Regionals, &f.Origins, &f.Controls} {
		group := groups[i+1]
		carries := p.Carries(machine, units.Idle.Sum(group.Roles...), costs.Sum(group.Roles...))
		least := []int{p.AtLeast.Regional, p.AtLeast.Origin, p.AtLeast.Control}[i]
		switch {
		case !m.fits(p, machine, group):
			f.Missing = group.Name + " does not fit into the memory"
		case carries <= 0 || i > 0 && carries < rate: // one PostgreSQL takes all writes, and one control node all purges
			f.Missing = fmt.Sprintf("%s carries %.0f requests a second", group.Name, carries)
		default:
			*count = max(least, int(math.Ceil(rate/carries)))
			continue
		}
		return f
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

// edges is the least number that carries the rate, and the mix over so many; 0: none does. More edges ask the region for more, so
// that each of them carries less.
func (m *Measured) edges(p *Prices, machine *Machine, units *Units, mix Mix, rate float64) (int, Mix) {
	byMemory := m.EdgeCarries(p, machine)
	for n := p.AtLeast.Edge; n <= maxEdges; n++ {
		over := mix.Over(n)
		carries := min(byMemory, p.Carries(machine, units.Idle[Edge], units.Cost(over)[Edge]))
		if carries*float64(n) >= rate {
			return n, over
		}
	}
	return 0, mix
}
