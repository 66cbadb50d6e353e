package hitratio

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tiercache/loadtests/processes"
)

// tolerance is by how many points L1 may be behind W-TinyLFU.
const tolerance = 0.5

// Report is what was measured.
type Report struct{ Rows []Measured }

func names() []string {
	out := []string{nameOptimum}
	for _, c := range contenders() {
		out = append(out, c.name)
	}
	return out
}

// String is a table of hit ratios, one of the bytes where objects have sizes, and where the goal was missed.
func (r Report) String() string {
	var b strings.Builder
	b.WriteString("Requests answered, %\n\n")
	r.table(&b, r.Rows, func(v Ratio) float64 { return v.Requests })
	sized := slices.DeleteFunc(slices.Clone(r.Rows), func(m Measured) bool { return !m.Trace.Sized })
	if len(sized) > 0 {
		b.WriteString("\nBytes answered, %\n\n")
		r.table(&b, sized, func(v Ratio) float64 { return v.Bytes })
	}
	missed := r.Missed()
	fmt.Fprintf(&b, "\nThe goal: of requests, at most %.1f points behind %s, and above %s. Missed: %d of %d.\n", tolerance, nameTinyLFU, namePlain, len(missed), len(r.Rows))
	for _, m := range missed {
		fmt.Fprintf(&b, "  %s at %d %%: %+.2f points to %s, %+.2f to %s\n", m.Trace.Name, m.Share, m.lead(nameTinyLFU), nameTinyLFU, m.lead(namePlain), namePlain)
	}
	return b.String()
}

func (r Report) table(b *strings.Builder, rows []Measured, of func(Ratio) float64) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "TRACE\tREQUESTS\tCOPIES\tBUDGET, MiB\tSHARE\t%s\tL1 - %s\t\n", strings.Join(names(), "\t"), nameTinyLFU)
	for _, m := range rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f\t%d %%\t", m.Trace.Name, len(m.Trace.requests), m.Copies, float64(m.Budget)/(1<<20), m.Share)
		for _, name := range names() {
			if v, ok := m.Ratios[name]; ok {
				fmt.Fprintf(w, "%.2f\t", 100*of(v))
			} else {
				fmt.Fprint(w, "-\t")
			}
		}
		fmt.Fprintf(w, "%+.2f\t\n", 100*(of(m.Ratios[nameL1])-of(m.Ratios[nameTinyLFU])))
	}
	_ = w.Flush() // a strings.Builder takes all
}

// lead is by how many points of requests L1 is ahead of another policy.
func (m *Measured) lead(of string) float64 { return m.percent(nameL1) - m.percent(of) }

// Missed returns where L1 is further behind W-TinyLFU than it may be, or not above bigcache.
func (r Report) Missed() (missed []Measured) {
	for _, m := range r.Rows {
		if m.lead(nameTinyLFU) < -tolerance || m.lead(namePlain) <= 0 {
			missed = append(missed, m)
		}
	}
	return missed
}

// CSV is a line for each trace, budget and policy.
func (r Report) CSV() string {
	var b strings.Builder
	b.WriteString("trace,requests,objects,bytes,copies,share_percent,budget_bytes,policy,hit_ratio,byte_hit_ratio\n")
	for _, m := range r.Rows {
		for _, name := range names() {
			if v, ok := m.Ratios[name]; ok {
				fmt.Fprintf(&b, "%s,%d,%d,%d,%d,%d,%d,%s,%.5f,%.5f\n", m.Trace.Name, len(m.Trace.requests), m.Trace.Objects, m.Trace.Bytes, m.Copies, m.Share, m.Budget, name, v.Requests, v.Bytes)
			}
		}
	}
	return b.String()
}

// Save writes the tables, the figures and the plot into a folder, in files that carry the date.
func (r Report) Save(folder string, now time.Time) (files []string, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	base := filepath.Join(folder, "hitratio-"+now.Format("2006-01-02"))
	table := fmt.Sprintf("%s, %s\n\n%s", now.Format("2006-01-02 15:04"), processes.Machine(), r)
	for ending, text := range map[string]string{".txt": table, ".csv": r.CSV()} {
		if err := os.WriteFile(base+ending, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return []string{base + ".txt", base + ".csv", base + ".png"}, r.Plot(base + ".png")
}
