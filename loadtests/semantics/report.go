package semantics

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// peers are other caches' figures: the same suite on the same kind of machine, with their usual settings.
func peers() []struct {
	name              string
	required, optimal int
} {
	return []struct {
		name              string
		required, optimal int
	}{{"nginx", 100, 57}, {"Varnish", 104, 58}}
}

// Table writes how many tests passed in each setup, beside the peers.
func Table(w io.Writer, results []Result) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(table, "http-cache-tests\trequired\toptimal\tchecks answered yes\t\n")
	for i := range results {
		r := &results[i]
		fmt.Fprintf(table, "tiercache, %s\t%s\t%s\t%s\t\n", r.Setup, score(r.Verdicts, required), score(r.Verdicts, optimal), score(r.Verdicts, "check"))
	}
	for _, p := range peers() {
		fmt.Fprintf(table, "%s\t%d\t%d\t\t\n", p.name, p.required, p.optimal)
	}
	return table.Flush()
}

// String is passed/total.
func (s Score) String() string { return fmt.Sprintf("%d/%d", s.Passed, s.Total) }

// Failures writes the tests that count and did not pass, a line each.
func Failures(w io.Writer, r *Result) {
	for i := range r.Verdicts {
		if v := &r.Verdicts[i]; v.counts() && !v.passed() {
			fmt.Fprintf(w, "%s %s: %s\n", v.Kind, v.ID, v.says())
		}
	}
}

// News writes what is better than the baseline or merely different, and what flickered; nothing when there is none.
func News(w io.Writer, r *Result, c *Changes) {
	for i := range c.Gained {
		fmt.Fprintf(w, "%s: %s passes now (%s); record it with `%s -update`\n", r.Setup, c.Gained[i].ID, c.Gained[i].Kind, rerun(r.Setup))
	}
	for i := range c.Answers {
		fmt.Fprintf(w, "%s: the check %s is now answered with %s\n", r.Setup, c.Answers[i].ID, c.Answers[i].Verdict)
	}
	for _, id := range slices.Sorted(maps.Keys(r.Flickering)) {
		fmt.Fprintf(w, "%s: %s flickers: %s\n", r.Setup, id, strings.Join(r.Flickering[id], ", "))
	}
}
