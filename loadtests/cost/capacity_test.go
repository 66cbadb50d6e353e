package cost

import (
	"fmt"
	"maps"
	"math"
	"testing"
)

// sample is a measurement with round figures: an idle role takes 0.1 cores; a hit in L1 costs the edge 0.05 s for 1,000, and so on.
func sample() Measured {
	roles := func(values ...float64) ByRole {
		b := ByRole{}
		for i, role := range Roles() {
			b[role] = values[i]
		}
		return b
	}
	memory := roles(50<<20, 60<<20, 70<<20, 80<<20, 90<<20, 100<<20, 30<<20)
	full := roles(150<<20, 160<<20, 170<<20, 180<<20, 190<<20, 100<<20, 30<<20)
	phase := func(c Case, requests int, cpu ...float64) Phase {
		for i := range cpu {
			cpu[i] += 1 // of 10 idle seconds
		}
		return Phase{Case: c, Rate: float64(requests) / 10, Seconds: 10, Requests: requests, CPU: roles(cpu...), Memory: maps.Clone(full), EdgeRequests: float64(requests), LoadBefore: "0.50", LoadAfter: "1.25"}
	}
	m := Measured{
		Date: "2026-01-02 03:04", Machine: "2 x A CPU", LoadBefore: "0.10", LoadAfter: "0.20", Seconds: 10, Took: 250, Objects: 12000, Bytes: 100e6, Sizes: sizes(), Hot: 1000, L1: 64 << 20,
		Zipf: 1.1, Seed: seed, PerTag: 10, Writes: 0.01, Purges: 0.001, Connections: 2000, ConnectionBytes: 10 << 10,
		Phases: []Phase{
			{Case: CaseIdle, Seconds: 20, CPU: roles(2, 2, 2, 2, 2, 2, 2), Memory: memory},
			phase(CaseL1, 1000, 9, 9, 9, 9, 9, 9, 9), // the lower rate: not reckoned with
			phase(CaseL1, 10_000, 0.5, 0, 0, 0, 0, 0, 0),
			phase(CaseL2, 1000, 0.2, 0.4, 0.1, 0, 0, 0, 0),
			phase(CaseFill, 1000, 0.3, 0.5, 0.2, 0.6, 0.7, 0, 0),
			phase(CaseMix, 10_000, 0.7, 0.4, 0.1, 0.3, 0.3, 0.1, 0.1),
			phase(CaseWrite, 100, 0, -0.5, 0, 0.4, 0.5, 0.1, 0.1), // less than idle: nothing
			phase(CasePurge, 100, 0.01, 0.01, 0, 0, 0.2, 0.3, 0.1),
		},
	}
	mix := m.last(CaseMix)
	mix.RegionalRequests, mix.OriginRequests, mix.Bytes, mix.OriginBytes, mix.Writes, mix.Purges = 1000, 200, 100e6, 2e6, 100, 10
	return m
}

// examplePrices are not those of prices.yaml, so that the figures below stay.
func examplePrices() Prices {
	return Prices{
		Currency: "EUR", Machines: []Machine{{"small", 2, 4 << 30, 20}, {"large", 8, 16 << 30, 80}}, OriginEgress: 0.1, EdgeEgress: 0.01,
		TargetUtilisation: 0.5, MemoryShare: 0.75, RequestsPerConnection: 0.1, L1Overhead: 1.25, Rates: []float64{1000, 10_000}, AtLeast: MinMachines{2, 2, 2, 2},
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s: %g, want %g", what, got, want)
	}
}

func TestUnits_AreAboveIdleAndByTheHighestRate(t *testing.T) {
	m := sample()
	u := m.Units()
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"idle edge", u.Idle[Edge], 0.1},
		{"idle, all", u.Idle.Sum(), 0.7},
		{"L1, edge", u.L1[Edge], 0.05},
		{"L1, regional", u.L1[Regional], 0},
		{"L2, regional and Redis", u.L2.Sum(Regional, Redis), 0.5},
		{"fill, PostgreSQL", u.Fill[PostgreSQL], 0.7},
		{"write, origin", u.Write[Origin], 4},
		{"write, regional: less than idle", u.Write[Regional], 0},
		{"purge, control", u.Purge[Control], 3},
	} {
		near(t, c.what, c.got, c.want)
	}
}

func TestMix_SharesAndWhatMoreEdgesAsk(t *testing.T) {
	m := sample()
	mix := m.last(CaseMix).Mix()
	want := Mix{L1: 0.9, L2: 0.08, Fill: 0.02, Writes: 0.01, Purges: 0.001, Bytes: 10_000, OriginBytes: 200}
	for _, c := range []struct {
		edges  int
		l1, l2 float64
	}{{1, 0.9, 0.08}, {2, 0.88, 0.1}, {11, 0.7, 0.28}, {1000, 0, 0.98}} {
		got := mix.Over(c.edges)
		near(t, fmt.Sprintf("L1 of %d edges", c.edges), got.L1, c.l1)
		near(t, fmt.Sprintf("L2 of %d edges", c.edges), got.L2, c.l2)
		near(t, "all", got.L1+got.L2+got.Fill, 1)
	}
	near(t, "fills", mix.Fill, want.Fill)
	near(t, "writes", mix.Writes, want.Writes)
	near(t, "purges", mix.Purges, want.Purges)
	near(t, "bytes", mix.Bytes, want.Bytes)
	near(t, "origin's bytes", mix.OriginBytes, want.OriginBytes)
}

func TestCost_IsTheSumByShares(t *testing.T) {
	m := sample()
	u := m.Units()
	got := u.Cost(Mix{L1: 0.9, L2: 0.08, Fill: 0.02, Writes: 0.01, Purges: 0.001})
	near(t, "edge", got[Edge], 0.9*0.05+0.08*0.2+0.02*0.3+0.001*0.1)
	near(t, "regional", got[Regional], 0.08*0.4+0.02*0.5+0.001*0.1)
	near(t, "origin", got[Origin], 0.02*0.6+0.01*4)
	near(t, "PostgreSQL", got[PostgreSQL], 0.02*0.7+0.01*5+0.001*2)
}

func TestCarries(t *testing.T) {
	p := examplePrices()
	for _, c := range []struct {
		vcpus            int
		idle, cost, want float64
	}{
		{2, 0, 0.05, 20_000},
		{2, 0.5, 0.05, 10_000},
		{8, 0, 0.05, 80_000},
		{2, 1, 0.05, 0}, // idle takes all that may be used
		{2, 2, 0.05, 0},
		{2, 0, 0, math.Inf(1)},
	} {
		if got := p.Carries(&Machine{VCPUs: c.vcpus}, c.idle, c.cost); got != c.want && math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%+v: %g", c, got)
		}
	}
}

func TestMemoryOfAnEdge(t *testing.T) {
	m, p := sample(), examplePrices()
	const mib = 1 << 20
	near(t, "edge", m.EdgeMemory(&p, 64*mib, 1000), 50*mib+80*mib+1000*10<<10)
	gib := Machine{VCPUs: 2, Memory: 1 << 30}
	near(t, "carries", m.EdgeCarries(&p, &gib), (768-130)*mib/(10240.)*0.1)
	tiny := Machine{VCPUs: 2, Memory: 64 * mib}
	near(t, "carries, tiny", m.EdgeCarries(&p, &tiny), 0)
	near(t, "room for L1", m.L1Room(&p, &gib, 1024), (768-50-100)*mib/1.25)
	near(t, "room for L1, tiny", m.L1Room(&p, &tiny, 1024), 0)
	if m.fits(&p, &tiny, Groups()[1]) || !m.fits(&p, &gib, Groups()[1]) {
		t.Error("what fits does not, or the other way")
	}
}

func TestFleet(t *testing.T) {
	m, p := sample(), examplePrices()
	f := m.Fleet(&p, &p.Machines[0], 1000)
	if f.Missing != "" || f.Edges != 2 || f.Regionals != 2 || f.Origins != 2 || f.Controls != 2 {
		t.Fatalf("%+v", f)
	}
	near(t, "machines", f.Machines, 160)
	near(t, "GB from edges", f.EdgeEgress/p.EdgeEgress, 1000*2_628_000*10_000/1e9)
	near(t, "origin's egress", f.OriginEgress, 1000*2_628_000*200/1e9*0.1)
	near(t, "saved", f.Saved(), f.Without-f.OriginEgress)
	near(t, "without", f.Without, 1000*2_628_000*10_000/1e9*0.1)
	machines, all := f.PerMillion()
	near(t, "machines, a million", machines, 160/2628.)
	near(t, "all, a million", all, (160+f.EdgeEgress+f.OriginEgress)/2628)
	near(t, "an edge's line", f.EdgeMegabits, 500*10_000*8/1e6)
}

// Numbers of machines follow from what one carries: 0.9 cores over what each of so many edges costs.
func TestFleet_GrowsWithTheRate(t *testing.T) {
	m, p := sample(), examplePrices()
	p.Machines[0].Memory = 1 << 40 // cores alone decide
	cost := m.MixCost()
	for _, edges := range []int{2, 3, 5} {
		all := float64(edges) * 0.9 / cost.Of(edges, edges, Edge) * 1000
		for more, want := range map[float64]int{-1: edges, 1: edges + 1} {
			got := least(p.AtLeast.Edge, all+more, func(n int) float64 { return p.Carries(&p.Machines[0], 0.1, cost.Of(n, n, Edge)) })
			if got != want {
				t.Errorf("%.0f requests a second, %+g: %d edges, want %d", all, more, got, want)
			}
		}
	}
	if n := least(2, 10, func(n int) float64 { return 1 / float64(n) }); n != 0 {
		t.Errorf("%d nodes that together carry no more than one", n)
	}
	p.Machines[0].VCPUs, p.Machines[0].Month = 64, 640
	f := m.Fleet(&p, &p.Machines[0], 200_000)
	if f.Edges < 2 || f.Regionals < 2 || f.Missing != "" {
		t.Fatalf("%+v", f)
	}
	near(t, "the mix over its edges", f.Mix.L2, cost.mix.Over(f.Edges).L2)
}

func TestMixCost_OverMoreNodes(t *testing.T) {
	m := sample()
	m.last(CaseWrite).CPU[Edge] += 0.2 // 2 s for 1,000
	cost := m.MixCost()
	const measured, fromL1ToL2, follow = 0.07, 0.2 - 0.05, 0.01*2 + 0.001*0.1
	near(t, "one edge", cost.Of(1, 1, Edge), 0.9*0.05+0.08*0.2+0.02*0.3+follow) // which is more than was measured
	near(t, "one regional node", cost.Of(1, 1, Regional), 0.08*0.4+0.02*0.5+0.001*0.1)
	near(t, "PostgreSQL", cost.Of(1, 1, PostgreSQL), 0.02*0.7+0.01*5+0.001*2)
	near(t, "control", cost.Of(1, 1, Control), 0.01*1+0.001*3)
	near(t, "five edges", cost.Of(5, 5, Edge)-cost.Of(1, 1, Edge), 4*0.02*fromL1ToL2+4*follow)
	near(t, "a region of five edges", cost.Of(5, 1, Regional)-cost.Of(1, 1, Regional), 4*0.02*0.4)
	m.last(CaseMix).CPU[Edge] += 3
	cost = m.MixCost()
	near(t, "one edge, measured", cost.Of(1, 1, Edge), measured+0.3)
}

func TestFleet_SaysWhyAMachineIsTooSmall(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Measured, *Prices)
		rate   float64
		want   string
	}{
		"memory of the edge": {func(m *Measured, _ *Prices) { m.last(CaseIdle).Memory[Edge] = 4 << 30 }, 1000, "no number of edges does it"},
		"memory of a region": {func(m *Measured, _ *Prices) { m.last(CaseFill).Memory[Redis] = 4 << 30 }, 1000, "regional + Redis does not fit into the memory"},
		"PostgreSQL":         {func(*Measured, *Prices) {}, 100_000, "origin + PostgreSQL carries 6,779 requests a second"},
		"idle":               {func(m *Measured, _ *Prices) { m.last(CaseIdle).CPU[Control] = 40 }, 1000, "control + NATS carries 0 requests a second"},
	} {
		t.Run(name, func(t *testing.T) {
			m, p := sample(), examplePrices()
			c.change(&m, &p)
			if f := m.Fleet(&p, &p.Machines[0], c.rate); f.Missing != c.want || f.Machines != 0 {
				t.Errorf("%q, %g", f.Missing, f.Machines)
			}
		})
	}
}
