package semantics

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func ids(verdicts []Verdict) string {
	var list []string
	for _, v := range verdicts {
		list = append(list, v.ID)
	}
	return strings.Join(list, " ")
}

func TestCompare_NamesWhatWasLostAndGained(t *testing.T) {
	baseline := Baseline{
		"kept": "pass", "lost": "pass", "lost-optimal": "pass", "gained": "fail", "still": "fail", "fails-otherwise": "fail",
		"answered": "no", "silenced": "yes", "vanished": "pass",
	}
	c := Compare(baseline, []Verdict{
		{ID: "kept", Kind: required, Verdict: "pass"},
		{ID: "lost", Kind: required, Verdict: "fail", Message: "Assertion: Response 2 comes from cache"},
		{ID: "lost-optimal", Kind: optimal, Verdict: "dependency_fail"},
		{ID: "gained", Kind: required, Verdict: "pass"},
		{ID: "still", Kind: optimal, Verdict: "optional_fail"},
		{ID: "fails-otherwise", Kind: required, Verdict: "setup_fail"},
		{ID: "answered", Kind: "check", Verdict: "yes"},
		{ID: "silenced", Kind: "check", Verdict: "setup_fail"},
		{ID: "new", Kind: required, Verdict: "pass"},
	})
	for name, got := range map[string][2]string{
		"lost":    {ids(c.Lost), "lost lost-optimal"},
		"gained":  {ids(c.Gained), "gained"},
		"answers": {ids(c.Answers), "answered silenced"},
		"unknown": {strings.Join(c.Unknown, " "), "new vanished"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", name, got[0], got[1])
		}
	}
	err := c.Err(TwoTiers)
	if err == nil {
		t.Fatal("no error for tests that were lost")
	}
	for _, part := range []string{
		"lost passed before", "Response 2 comes from cache", "go run ./loadtests/semantics/run -setup two-tiers -id 'lost'",
		"dependency_fail", "new, vanished",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in:\n%v", part, err)
		}
	}
}

func TestCompare_SameVerdictsAreNoError(t *testing.T) {
	verdicts := []Verdict{{ID: "a", Kind: required, Verdict: "pass"}, {ID: "b", Kind: optimal, Verdict: "optional_fail"}}
	c := Compare(Baseline{"a": "pass", "b": "optional_fail"}, verdicts)
	if err := c.Err(Edge); err != nil || len(c.Gained)+len(c.Answers) > 0 {
		t.Errorf("%v, %+v", err, c)
	}
}

func TestBaseline_IsReadAsWritten(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadBaseline(dir, Edge); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "-update") {
		t.Errorf("without a file: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "testdata"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteBaseline(dir, &Result{Setup: Edge, Verdicts: []Verdict{{ID: "a", Verdict: "pass"}, {ID: "b", Verdict: "no"}}}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadBaseline(dir, Edge)
	if want := (Baseline{"a": "pass", "b": "no"}); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

// TestBaselines_HaveTheSameTests wants the recorded files complete: the suite's 165 required and 95 optimal tests and its checks.
func TestBaselines_HaveTheSameTests(t *testing.T) {
	var all [][]string
	for _, setup := range Setups() {
		b, err := ReadBaseline(".", setup)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, slices.Sorted(maps.Keys(b)))
	}
	if len(all[0]) != 350 || !slices.Equal(all[0], all[1]) {
		t.Errorf("%d and %d tests", len(all[0]), len(all[1]))
	}
}

func TestWorst_OneFailureOfManyCounts(t *testing.T) {
	run := func(a, b string) []Verdict {
		return []Verdict{{ID: "a", Kind: required, Verdict: a}, {ID: "b", Kind: "check", Verdict: b}}
	}
	merged, flickering := worst([][]Verdict{run("pass", "yes"), run("fail", "yes"), run("pass", "yes")})
	if merged[0].Verdict != "fail" || merged[1].Verdict != "yes" {
		t.Errorf("%+v", merged)
	}
	if len(flickering) != 1 || !slices.Equal(flickering["a"], []string{"pass", "fail", "pass"}) {
		t.Errorf("%v", flickering)
	}
}

func TestTable_ShowsPassedOfTotalBesideThePeers(t *testing.T) {
	var out strings.Builder
	err := Table(&out, []Result{{Setup: Edge, Verdicts: []Verdict{
		{Kind: required, Verdict: "pass"}, {Kind: required, Verdict: "dependency_fail"},
		{Kind: optimal, Verdict: "optional_fail"}, {Kind: "check", Verdict: "yes"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if got := strings.Join(strings.Fields(lines[1]), " "); got != "tiercache, edge 1/2 0/1 1/1" {
		t.Errorf("%q", got)
	}
	if got := strings.Join(strings.Fields(lines[2]), " "); got != "nginx 100 57" {
		t.Errorf("%q", got)
	}
}
