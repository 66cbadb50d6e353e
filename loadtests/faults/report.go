package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a run has shown.
type Report struct {
	Seed       uint64
	Faults     []FaultReport // by name
	Reads      int           // that were answered with content
	ReadErrors int
	Writes     int // and purges, that were committed
	Registers  int // reads and writes that were taken for those of registers
	Violations []string
	Evidence   string
}

// FaultReport is what became of one kind of fault.
type FaultReport struct {
	Name  string
	Times int
	Lasts time.Duration // altogether
	// Of the time from when a fault began until all was well: how long the edge that was worst off gave no good answers,
	// how long none of them did, how long nothing could be written, how long nothing could be purged. The longest of all times.
	Edge, Edges, Write, Purge time.Duration
	Well                      time.Duration // the longest from when it was over until all was well again
}

// report sums up.
func (e *evidence) report(cfg *Config) *Report {
	r := &Report{Seed: cfg.Seed, Violations: e.found, Evidence: cfg.Evidence, Reads: len(e.history.Reads)}
	byName := map[string]*FaultReport{}
	for _, l := range e.lines {
		switch {
		case l.Op == opRead && (l.Status == 0 || l.Status >= 500):
			r.ReadErrors++
		case (l.Op == opWrite || l.Op == opPurge) && !l.Unknown && !l.RolledBack && l.Status < 300:
			r.Writes++
		case l.Op == opFault:
			f := byName[l.Kind]
			if f == nil {
				f = &FaultReport{Name: l.Kind}
				byName[l.Kind] = f
			}
			e.add(f, l)
		}
	}
	for _, p := range pages() {
		if p.Own {
			for _, list := range e.operations(p.Name, jarOf(p)) {
				r.Registers += len(list)
			}
		}
	}
	for _, f := range byName {
		r.Faults = append(r.Faults, *f)
	}
	slices.SortFunc(r.Faults, func(a, b FaultReport) int { return strings.Compare(a.Name, b.Name) })
	return r
}

// add takes one fault into the report of its kind.
func (e *evidence) add(f *FaultReport, l *line) {
	f.Times++
	f.Lasts += time.Duration(l.End - l.Start)
	well := l.Well
	if well == 0 {
		well = l.Lifted + int64(wellTime)
	}
	f.Well = max(f.Well, time.Duration(well-l.Lifted))
	var all []interval
	for i, node := range edges() {
		bad := e.without(l.Start, well, func(o *line) bool { return o.Op == opRead && o.Node == node })
		f.Edge = max(f.Edge, total(bad))
		if i == 0 {
			all = bad
		} else {
			all = both(all, bad)
		}
	}
	f.Edges = max(f.Edges, total(all))
	f.Write = max(f.Write, total(e.without(l.Start, well, func(o *line) bool { return o.Op == opWrite })))
	f.Purge = max(f.Purge, total(e.without(l.Start, well, func(o *line) bool { return o.Op == opPurge && o.Node != postgresAddr })))
}

type interval struct{ from, to int64 }

func total(list []interval) (sum time.Duration) {
	for _, i := range list {
		sum += time.Duration(i.to - i.from)
	}
	return sum
}

// without are the times within a window in which requests of a kind had no good answer: from the start of the first that
// failed after a good one, until the end of the first good one that was sent after that.
func (e *evidence) without(from, to int64, is func(*line) bool) (list []interval) {
	var asked []*line
	for _, l := range e.lines {
		if l.Start >= from && l.Start < to && is(l) {
			asked = append(asked, l)
		}
	}
	slices.SortFunc(asked, func(a, b *line) int { return int(a.Start - b.Start) })
	bad := int64(-1)
	note := func(i interval) { // requests overlap, and so may these
		if n := len(list); n > 0 && i.from <= list[n-1].to {
			list[n-1].to = max(list[n-1].to, i.to)
		} else {
			list = append(list, i)
		}
	}
	for _, l := range asked {
		good := l.Status > 0 && l.Status < 500 && !l.Unknown
		switch {
		case !good && bad < 0:
			bad = l.Start
		case good && bad >= 0 && l.Start > bad:
			note(interval{bad, min(l.End, to)})
			bad = -1
		}
	}
	if bad >= 0 {
		note(interval{bad, to})
	}
	return list
}

// both are the times that are in two lists.
func both(a, b []interval) (list []interval) {
	for _, x := range a {
		for _, y := range b {
			if from, to := max(x.from, y.from), min(x.to, y.to); from < to {
				list = append(list, interval{from, to})
			}
		}
	}
	return list
}

// String is a report for people.
func (r *Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "fault\ttimes\tlasted\tno answer: worst edge\tall edges\twrites\tpurges\twell again\t")
	for _, f := range r.Faults {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t\n", f.Name, f.Times, seconds(f.Lasts), seconds(f.Edge), seconds(f.Edges), seconds(f.Write), seconds(f.Purge), seconds(f.Well))
	}
	_ = w.Flush() // into memory: cannot fail
	fmt.Fprintf(&b, "\nseed %d: %d reads answered, %d not; %d writes and purges; %d operations on shared jars; %d violations\n",
		r.Seed, r.Reads, r.ReadErrors, r.Writes, r.Registers, len(r.Violations))
	for i, v := range r.Violations {
		if i == 20 {
			fmt.Fprintf(&b, "  and %d more: see %s\n", len(r.Violations)-i, reportFile)
			break
		}
		fmt.Fprintln(&b, "  "+v)
	}
	return b.String()
}

// reportFile is the report in the evidence of a run.
const reportFile = "report.json"

// Keep writes the report into the evidence.
func (r *Report) Keep() error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Evidence, reportFile), append(text, '\n'), 0o644)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
