package semantics

import "slices"

// Kinds of tests that count.
const (
	required = "required"
	optimal  = "optimal"
)

// counts reports whether a verdict is right or wrong; that of a check is neither.
func (v *Verdict) counts() bool { return v.Kind == required || v.Kind == optimal }

func (v *Verdict) passed() bool { return v.Verdict == "pass" || v.Verdict == "yes" }

// worst merges the verdicts of several runs, which list the same tests in the same order: what did not pass once has
// not passed. flickering are the tests whose verdict was not always the same.
func worst(runs [][]Verdict) (merged []Verdict, flickering map[string][]string) {
	merged, flickering = slices.Clone(runs[0]), map[string][]string{}
	for i := range merged {
		var seen []string
		for _, run := range runs {
			seen = append(seen, run[i].Verdict)
			if merged[i].passed() && !run[i].passed() {
				merged[i] = run[i]
			}
		}
		if len(slices.Compact(slices.Sorted(slices.Values(seen)))) > 1 {
			flickering[merged[i].ID] = seen
		}
	}
	return merged, flickering
}

// Score is how many tests of a kind passed, of how many.
type Score struct{ Passed, Total int }

// score counts the tests of a kind.
func score(verdicts []Verdict, kind string) Score {
	var s Score
	for i := range verdicts {
		if verdicts[i].Kind == kind {
			s.Total++
			if verdicts[i].passed() {
				s.Passed++
			}
		}
	}
	return s
}
