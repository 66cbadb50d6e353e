package fleet

import (
	"fmt"
	"strings"
	"time"

	"tiercache/shared/controllog"
)

// paper is what a fleet would need that no machine here can hold, by what was measured of the largest one.
//
// The costs of renewals and receipts grow with the number of nodes. What PostgreSQL takes does so until somebody always waits
// for the head: one statement answers all who do.
type paper struct {
	m      *Measured // the largest
	fleets []Measured
	slower float64
}

// Paper says what so many edges need, all of them straight behind one control, and in regions of perRegion edges each of which
// has a NATS leaf node and one node that renews and reports for all: control then has as many members as there are regions.
func (r Report) Paper(edges, perRegion int) string {
	if len(r.Fleets) == 0 {
		return ""
	}
	p := paper{&r.Fleets[len(r.Fleets)-1], r.Fleets, float64(r.Slower)}
	regions := (edges + perRegion - 1) / perRegion
	var b strings.Builder
	fmt.Fprintf(&b, "%d edges, by what %d followers have cost:\n\n", edges, p.m.Followers)
	p.row(&b, "members of control", "%.0f", float64(edges), float64(regions))
	p.row(&b, "renewals a second", "%.0f", p.renewals(edges), p.renewals(regions))
	p.row(&b, "cores of control, idle", "%.1f", p.idleCores(edges, ofControl), p.idleCores(regions, ofControl))
	p.row(&b, "cores of the central NATS, idle", "%.1f", p.idleCores(edges, ofNATS), p.idleCores(regions, ofNATS))
	p.row(&b, "central NATS sends a purge, MB", "%.2f", float64(edges)*p.m.Purge.Received/1e6, float64(regions)*p.m.Purge.Received/1e6)
	p.row(&b, "receipts of a purge, MB", "%.2f", float64(edges)*p.m.Purge.Sent/1e6, float64(regions)*p.m.Purge.Sent/1e6)
	p.row(&b, "memory of the central NATS, GB", "%.2f", float64(edges)*p.m.NATSBytes/1e9, float64(regions)*p.m.NATSBytes/1e9)
	p.row(&b, "memory of control for members, GB", "%.2f", float64(edges)*p.m.ControlBytes/1e9, float64(regions)*p.m.ControlBytes/1e9)
	return b.String()
}

// row is a line of both ways.
func (p *paper) row(b *strings.Builder, what, format string, direct, aggregated float64) {
	fmt.Fprintf(b, "%-42s  direct %12s  by region %10s\n", what, fmt.Sprintf(format, direct), fmt.Sprintf(format, aggregated))
}

func ofControl(c *CPU) time.Duration { return c.Control }
func ofNATS(c *CPU) time.Duration    { return c.NATS }

// renewals a second of so many nodes, at their real rate.
func (p *paper) renewals(nodes int) float64 {
	return float64(nodes) / controllog.RenewInterval.Seconds()
}

// idleCores is what a server takes that has so many followers. What it took of a second for each size is joined by straight lines;
// beyond the largest size the one from the smallest to the largest goes on, as the largest may have had too little of a
// processor. All but what a fleet of none would take comes with renewals, which are more often in reality.
func (p *paper) idleCores(nodes int, of func(*CPU) time.Duration) float64 {
	at := func(i int) (n, spent float64) {
		return float64(p.fleets[i].Followers), of(&p.fleets[i].IdleCPU).Seconds()
	}
	last := len(p.fleets) - 1
	if last == 0 {
		n, spent := at(0)
		return spent * p.slower * float64(nodes) / n
	}
	line := func(i, j int, x float64) float64 {
		n, a := at(i)
		m, b := at(j)
		return a + (b-a)*(x-n)/(m-n)
	}
	fixed := max(0, line(0, 1, 0))
	spent := line(0, last, float64(nodes))
	if largest, most := at(last); float64(nodes) > largest {
		spent = max(spent, most)
	}
	for i := range last {
		if n, _ := at(i + 1); float64(nodes) <= n {
			spent = line(i, i+1, float64(nodes))
			break
		}
	}
	return fixed + p.slower*max(0, spent-fixed)
}
