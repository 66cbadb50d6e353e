package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"tiercache/control/audit"
)

// auditPrinter shows an audit: each violation as soon as its node is done, then the nodes, then the sum.
type auditPrinter struct {
	out    io.Writer
	json   bool
	lines  bool // JSON of one audit is one line
	limit  int
	shown  int
	kept   []audit.Violation // for JSON
	failed error             // of out
}

// found takes a violation.
func (p *auditPrinter) found(v *audit.Violation) {
	if p.shown++; p.shown > p.limit || p.failed != nil {
		return
	}
	if p.json {
		p.kept = append(p.kept, *v)
		return
	}
	_, p.failed = fmt.Fprintln(p.out, violationLine(v))
}

// auditJSON is an audit in JSON.
type auditJSON struct {
	audit.Report
	Found []audit.Violation `json:"found"` // as many as --limit says
}

// done ends the audit.
func (p *auditPrinter) done(r *audit.Report) error {
	if p.failed != nil {
		return p.failed
	}
	if p.json {
		enc := json.NewEncoder(p.out)
		if !p.lines {
			enc.SetIndent("", "  ")
		}
		return enc.Encode(auditJSON{*r, append([]audit.Violation{}, p.kept...)})
	}
	if p.shown > p.limit {
		fmt.Fprintf(p.out, "... and %d more violations: --limit\n", p.shown-p.limit) // errors come out below
	}
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tTIER\tREGION\tENTRIES\tJUDGED\tSERVED\tCOMPARED\tVIOLATIONS\tNOTE")
	for _, n := range r.Nodes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", printable(n.Node), printable(n.Tier), printable(n.Region),
			n.Entries, n.Judged, n.Served, n.Compared, n.Violations, printable(nodeNote(&n)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.out, "%s  %s\n", r.Began.Local().Format(time.DateTime), auditLine(r))
	return err
}

// violationLine names a violation.
func violationLine(v *audit.Violation) string {
	line := fmt.Sprintf("violation  %s  %s  %s  %s  key %s  stamp %d  applied %d", v.Kind, printable(v.Node), printable(v.Tier), printable(v.URL), printable(v.Key), v.Stamp, v.Applied)
	if v.Kind == audit.KindContent {
		current := v.Current
		if current == "" {
			current = "no object"
		}
		line += fmt.Sprintf("  holds %s, the origin has %s", printable(v.Held), printable(current))
	} else {
		line += fmt.Sprintf("  %s purge %d", printable(v.Mode), v.Epoch)
	}
	if !v.At.IsZero() {
		line += fmt.Sprintf(" of %s, %v ago", v.At.Local().Format("2006-01-02 15:04:05.000"), time.Duration(v.StaleMS)*time.Millisecond)
	}
	if !v.Lease {
		line += ", without a lease: marked as disconnected"
	}
	return line
}

// nodeNote is what else there is to say about a node.
func nodeNote(n *audit.NodeReport) string {
	switch {
	case n.Problem != "":
		return "not audited: " + n.Problem
	case n.Unreadable > 0:
		return fmt.Sprintf("%d values are unreadable", n.Unreadable)
	case n.Partly > 0:
		return fmt.Sprintf("%d stamped before the log begins", n.Partly)
	}
	return ""
}

// auditLine is an audit in one line.
func auditLine(r *audit.Report) string {
	within := time.Duration(r.WithinMS) * time.Millisecond
	if r.Judged == 0 {
		return "the nodes hold no responses"
	}
	line := fmt.Sprintf("%s of %d current within %v", percent(r.Current), r.Judged, within)
	if r.Violations > 0 {
		line += fmt.Sprintf(" (%.1f nines), %d violations", r.Nines, r.Violations)
	}
	return line + fmt.Sprintf("; with 95 %% confidence at least %s (%.1f nines)", percent(r.AtLeast), r.NinesAtLeast)
}

// percent is a share with as many digits as tell it from 1.
func percent(share float64) string {
	digits := 2
	if share < 1 && share > 0 {
		digits = min(max(2, int(math.Ceil(-math.Log10(1-share)))), 8)
	}
	return fmt.Sprintf("%.*f %%", digits, 100*math.Floor(share*math.Pow10(digits+2))/math.Pow10(digits+2))
}
