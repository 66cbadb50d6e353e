package semantics

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Baseline is the verdict of each test by its id, checks included.
type Baseline map[string]string

func baselinePath(dir, setup string) string {
	return filepath.Join(dir, "testdata", "baseline-"+setup+".json")
}

// ReadBaseline reads the baseline of a setup.
func ReadBaseline(dir, setup string) (Baseline, error) {
	text, err := os.ReadFile(baselinePath(dir, setup))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no baseline yet; make one with `%s -update`: %w", rerun(setup), err)
	}
	if err != nil {
		return nil, err
	}
	var b Baseline
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", baselinePath(dir, setup), err)
	}
	return b, nil
}

// WriteBaseline makes the verdicts of r its setup's baseline.
func WriteBaseline(dir string, r *Result) error {
	b := make(Baseline, len(r.Verdicts))
	for i := range r.Verdicts {
		b[r.Verdicts[i].ID] = r.Verdicts[i].Verdict
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(baselinePath(dir, r.Setup), append(text, '\n'), 0o644)
}

// Changes are what differs from a baseline.
type Changes struct {
	// Lost are tests that passed in the baseline and do not any more.
	Lost []Verdict
	// Gained are tests that pass and did not in the baseline.
	Gained []Verdict
	// Answers are checks whose answer is another.
	Answers []Verdict
	// Unknown are the ids of tests that only one of the two has: the suite is another.
	Unknown []string
}

// Compare says what differs from the baseline. Other verdicts than pass are all the same to it: which way a test
// fails depends on those it builds on.
func Compare(b Baseline, verdicts []Verdict) Changes {
	var c Changes
	seen := make(map[string]bool, len(verdicts))
	for i := range verdicts {
		v := &verdicts[i]
		seen[v.ID] = true
		was, known := b[v.ID]
		before := Verdict{Verdict: was}
		switch {
		case !known:
			c.Unknown = append(c.Unknown, v.ID)
		case before.passed() == v.passed():
		case !v.counts():
			c.Answers = append(c.Answers, *v)
		case v.passed():
			c.Gained = append(c.Gained, *v)
		default:
			c.Lost = append(c.Lost, *v)
		}
	}
	for id := range b {
		if !seen[id] {
			c.Unknown = append(c.Unknown, id)
		}
	}
	return c
}

// Err is an error that names each test that was lost, what the suite says about it, and the command that shows its
// messages; nil when there is none.
func (c *Changes) Err(setup string) error {
	var errs []error
	for i := range c.Lost {
		v := &c.Lost[i]
		errs = append(errs, fmt.Errorf("%s passed before and does not now (%s)\n    %s\n    see its messages with: %s -id '%s'", v.ID, v.Kind, v.says(), rerun(setup), v.ID))
	}
	if len(c.Unknown) > 0 {
		errs = append(errs, fmt.Errorf("the suite and the baseline do not have the same tests: %s", strings.Join(c.Unknown, ", ")))
	}
	return errors.Join(errs...)
}

// says is the suite's message, or its verdict when it has none.
func (v *Verdict) says() string {
	if v.Message == "" || v.Verdict == "dependency_fail" {
		return strings.TrimSpace(v.Verdict + " " + v.Message)
	}
	return v.Message
}

func rerun(setup string) string { return "go run ./loadtests/semantics/run -setup " + setup }
