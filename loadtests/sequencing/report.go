package sequencing

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what was measured.
type Report struct {
	Latencies   []Latency
	Throughputs []Throughput
	Watched     *Watched // nil: not measured
}

// String is three tables.
func (r Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "COMMIT TO APPLIED BY ALL\tWRITES\tP50\tP99\tMAX\tTARGET\t\tLOAD")
	for _, l := range r.Latencies {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s, %s\t\t%s-%s\n", l.Kind, l.Writes, ms(l.P50), ms(l.P99), ms(l.Max), ms(l.TargetP50), ms(l.TargetP99), l.LoadBefore, l.Load)
	}
	fmt.Fprintln(w, "\t\t\t\t\t\t\t\nROWS A TRANSACTION\tWANTED\tENTRIES A SECOND\tFOR\tBACKLOG\tLATE, AT MOST\tCPU AN ENTRY\tLOAD")
	for _, t := range r.Throughputs {
		wanted := "all that go"
		if t.Wanted > 0 {
			wanted = fmt.Sprintf("%.0f", t.Wanted)
		}
		fmt.Fprintf(w, "%d\t%s\t%.0f\t%s\t%d\t%s\t%.0f us\t%s-%s\n", t.Rows, wanted, t.Rate, t.Lasted.Round(time.Second), t.Backlog, ms(t.Late), t.CPU.Seconds()*1e6/float64(max(1, t.Entries)), t.LoadBefore, t.Load)
	}
	if r.Watched != nil {
		without, with := median(r.Watched.Without), median(r.Watched.With)
		fmt.Fprintf(w, "\t\t\t\t\t\t\t\nPGBENCH\tUNWATCHED\tWATCHED\tRATIO\t\t\t\tLOAD\nupdates a second\t%.0f\t%.0f\t%.2f\t\t\t\t%s\n", without, with, with/without, r.Watched.Load)
	}
	_ = w.Flush() // a strings.Builder takes all
	return b.String()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
