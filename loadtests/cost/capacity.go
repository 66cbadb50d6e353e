package cost

import "math"

// Units are what one of a kind costs, by role: seconds of processor time per 1,000 of them, which are as well the cores that 1,000
// of them a second take. What the role takes when nothing happens is not in it but in Idle, in cores.
type Units struct {
	Idle                       ByRole
	L1, L2, Fill, Write, Purge ByRole
}

// Units of a measurement, by the highest rate of each case.
func (m *Measured) Units() Units {
	idle := m.last(CaseIdle)
	cores := ByRole{}.plus(idle.CPU, 1/idle.Seconds)
	of := func(c Case) ByRole { return m.last(c).Per1000(cores) }
	return Units{Idle: cores, L1: of(CaseL1), L2: of(CaseL2), Fill: of(CaseFill), Write: of(CaseWrite), Purge: of(CasePurge)}
}

// Per1000 is the processor time of 1,000 requests of the phase, in seconds, above that of an idle platform. It is never below
// 0, which the ticks of /proc may make of nothing.
func (p *Phase) Per1000(idle ByRole) ByRole {
	spent := p.CPU.plus(idle, -p.Seconds)
	each := make(ByRole, len(spent))
	for role, seconds := range spent {
		each[role] = max(0, seconds) / float64(p.Requests) * 1000
	}
	return each
}

// Mix is what becomes of requests: the shares that end in L1, in L2 and at the origin, 1 in all, and for each request the
// writes, the purges, and the bytes of bodies that clients get and the origin sends.
type Mix struct {
	L1, L2, Fill       float64
	Writes, Purges     float64
	Bytes, OriginBytes float64
}

// Mix of a phase, by what each tier has counted: what the regional node was not asked for has ended in L1, and what the origin
// was not asked for, in L2.
func (p *Phase) Mix() Mix {
	forwarded, filled := p.RegionalRequests/p.EdgeRequests, p.OriginRequests/p.EdgeRequests
	n := float64(p.Requests)
	return Mix{
		L1: 1 - forwarded, L2: forwarded - filled, Fill: filled, Writes: float64(p.Writes) / n, Purges: float64(p.Purges) / n,
		Bytes: p.Bytes / n, OriginBytes: p.OriginBytes / n,
	}
}

// Over is the mix with so many edges instead of one. What was changed and is filled once is asked for by each other edge too, at
// most: it has it from L2.
func (x Mix) Over(edges int) Mix {
	more := min(x.L1, float64(edges-1)*x.Fill)
	x.L1, x.L2 = x.L1-more, x.L2+more
	return x
}

// Cost of 1,000 requests of a mix, in seconds of processor time by role; or of 1,000 a second, in cores.
func (u *Units) Cost(x Mix) ByRole {
	return ByRole{}.plus(u.L1, x.L1).plus(u.L2, x.L2).plus(u.Fill, x.Fill).plus(u.Write, x.Writes).plus(u.Purge, x.Purges)
}

// MixCost is what requests of the measured mix cost, also over more nodes than were measured.
type MixCost struct {
	units Units
	mix   Mix
	one   ByRole // of 1,000 requests over one edge and one regional node
}

// MixCost is based on the dearer of two: what the mix was measured to cost, and what its parts do.
func (m *Measured) MixCost() MixCost {
	units, phase := m.Units(), m.last(CaseMix)
	c := MixCost{units: units, mix: phase.Mix(), one: phase.Per1000(units.Idle)}
	for role, parts := range units.Cost(c.mix) {
		c.one[role] = max(c.one[role], parts)
	}
	return c
}

// Of is the cost of 1,000 requests a second over so many edges, in cores of those roles on so many nodes together. Requests are
// shared out; but more edges ask the region for more, and each node of a tier follows the log, so that it pays for all writes and
// purges.
func (c *MixCost) Of(edges, nodes int, roles ...Role) float64 {
	more := c.units.Cost(c.mix.Over(edges)).plus(c.units.Cost(c.mix), -1)
	follows := c.mix.Writes*c.units.Write.Sum(roles...) + c.mix.Purges*c.units.Purge.Sum(roles...)
	return c.one.Sum(roles...) + more.Sum(roles...) + float64(nodes-1)*follows
}

// Group is what runs on one machine.
type Group struct {
	Name  string
	Roles []Role
}

// Groups are edges, regional nodes each with a Redis, origins with PostgreSQL, and control nodes with NATS.
func Groups() []Group {
	return []Group{
		{"edge", []Role{Edge}},
		{"regional + Redis", []Role{Regional, Redis}},
		{"origin + PostgreSQL", []Role{Origin, PostgreSQL}},
		{"control + NATS", []Role{Control, NATS}},
	}
}

// Carries is how many requests a second a machine takes at the target utilisation, by its cores: those that the group's idle
// ones leave, over what 1,000 requests a second cost. Without cost there is no limit: +Inf.
func (p *Prices) Carries(machine *Machine, idle, cost float64) float64 {
	left := float64(machine.VCPUs)*p.TargetUtilisation - idle
	if left <= 0 {
		return 0
	}
	if cost <= 0 {
		return math.Inf(1)
	}
	return left / cost * 1000
}

// Memory that may be used of a machine, in bytes.
func (p *Prices) Memory(machine *Machine) float64 { return float64(machine.Memory) * p.MemoryShare }

// EdgeMemory is what an edge needs that has so much L1 and so many open connections, in bytes.
func (m *Measured) EdgeMemory(p *Prices, l1, connections float64) float64 {
	return m.last(CaseIdle).Memory[Edge] + l1*p.L1Overhead + connections*m.ConnectionBytes
}

// EdgeCarries is how many requests a second an edge's memory takes, with an L1 as large as the measured one: those of the open
// connections that have room beside it.
func (m *Measured) EdgeCarries(p *Prices, machine *Machine) float64 {
	left := p.Memory(machine) - m.EdgeMemory(p, float64(m.L1), 0)
	return max(0, left) / m.ConnectionBytes * p.RequestsPerConnection
}

// L1Room is the l1_size that fits into an edge beside the connections of so many requests a second, in bytes.
func (m *Measured) L1Room(p *Prices, machine *Machine, rate float64) float64 {
	left := p.Memory(machine) - m.EdgeMemory(p, 0, rate/p.RequestsPerConnection)
	return max(0, left) / p.L1Overhead
}

// fits reports whether a group's memory, as measured, fits into a machine.
func (m *Measured) fits(p *Prices, machine *Machine, group Group) bool {
	var held float64
	for _, role := range group.Roles {
		held += m.Memory(role)
	}
	return held <= p.Memory(machine)
}
