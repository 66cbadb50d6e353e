package fleet

import (
	"fmt"
	"strings"

	"tiercache/shared/controllog"
)

// paper is what a fleet would need that no machine here can hold, by what was measured of the largest one.
//
// The costs of renewals and receipts grow with the number of nodes, and nothing else of them: see the tables of sizes.
type paper struct {
	m      *Measured
	slower float64
}

// Paper says what so many edges need, all of them straight behind one control, and in regions of perRegion edges each of which
// has a NATS leaf node and one node that renews and reports for all: control then has as many members as there are regions.
func (r Report) Paper(edges, perRegion int) string {
	if len(r.Fleets) == 0 {
		return ""
	}
	p := paper{&r.Fleets[len(r.Fleets)-1], float64(r.Slower)}
	regions := (edges + perRegion - 1) / perRegion
	var b strings.Builder
	fmt.Fprintf(&b, "%d edges, by what %d followers have cost:\n\n", edges, p.m.Followers)
	p.row(&b, "members of control", "%.0f", float64(edges), float64(regions))
	p.row(&b, "renewals a second", "%.0f", p.renewals(edges), p.renewals(regions))
	p.row(&b, "cores of control, idle", "%.1f", p.idleCores(edges, p.m.IdleCPU.Control.Seconds()), p.idleCores(regions, p.m.IdleCPU.Control.Seconds()))
	p.row(&b, "cores of the central NATS, idle", "%.1f", p.idleCores(edges, p.m.IdleCPU.NATS.Seconds()), p.idleCores(regions, p.m.IdleCPU.NATS.Seconds()))
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

// renewals a second of so many nodes, at their real rate.
func (p *paper) renewals(nodes int) float64 {
	return float64(nodes) / controllog.RenewInterval.Seconds()
}

// idleCores is what those take of a server that has spent so much of a second on the renewals of the measured fleet.
func (p *paper) idleCores(nodes int, spent float64) float64 {
	return spent * p.slower * float64(nodes) / float64(p.m.Followers)
}
