package scenarios

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiercache/loadtests/processes"
)

func valid() Config {
	return Config{Only: []string{"steady"}, Rate: 1000, Objects: 1000, Lasting: time.Minute, Soak: time.Minute}
}

func TestValidate_SaysWhatToUse(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"use steady, spike, purges, soak": func(c *Config) { c.Only = []string{"spikes"} },
		"name a scenario":                 func(c *Config) { c.Only = nil },
		"use 10 to 100000":                func(c *Config) { c.Rate = 9 },
		"use 100 to 1000000":              func(c *Config) { c.Objects = 1_000_001 },
		"less than 5s":                    func(c *Config) { c.Soak = time.Second },
	} {
		cfg := valid()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if _, err := Run(t.Context(), cfg); err == nil {
			t.Errorf("%s: it ran", want)
		}
	}
	if cfg := valid(); cfg.Validate() != nil {
		t.Error(cfg.Validate())
	}
}

func TestNames_HaveScripts(t *testing.T) {
	for _, name := range Names() {
		b, err := os.ReadFile(filepath.Join("js", name+".js"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b, []byte("export const handleSummary = lib.summary;")) {
			t.Errorf("%s.js writes no summary", name)
		}
	}
}

// figures are what k6 hands to handleSummary, shortened.
const figures = `{"metrics": {
	"http_req_duration{kind:read}": {"type": "trend", "contains": "time", "values": {"med": 1.25, "p(99)": 61.5, "max": 80},
		"thresholds": {"p(99)<50": {"ok": false}}},
	"http_req_failed{kind:read}": {"type": "rate", "contains": "default", "values": {"rate": 0, "passes": 0, "fails": 12000}, "thresholds": {"rate==0": {"ok": true}}},
	"http_req_failed{kind:purge}": {"type": "rate", "contains": "default", "values": {"rate": 0.5, "passes": 2, "fails": 2}},
	"edge_hits": {"type": "rate", "contains": "default", "values": {"rate": 0.9125}, "thresholds": {"rate>0.8": {"ok": true}}},
	"reads_too_old": {"type": "counter", "contains": "default", "values": {}, "thresholds": {"count==0": {"ok": true}}}
}}`

var allMet = strings.NewReplacer("false", "true", `"values": {}`, `"values": {"count": 0}`).Replace(figures)

func summaryOf(t *testing.T, text string) *summary {
	t.Helper()
	var s summary
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func TestScenario_HasAGoalForEachThreshold(t *testing.T) {
	const budget = l1Size*13/10 + allowedOver
	s := newScenario("steady", time.Minute, summaryOf(t, figures), Memory{Most: budget + 1, Last: 1 << 20})
	if s.Reads != 12000 || s.Purges != 4 || s.Writes != 0 || s.Hits != 0.9125 || s.ReadP50 != 1.25 || s.ReadP99 != 61.5 || s.ReadMax != 80 {
		t.Errorf("%+v", s)
	}
	want := []Goal{
		{"edge_hits", "rate>0.8", "0.9125", true},
		{"http_req_duration{kind:read}", "p(99)<50", "61.5 ms", false},
		{"http_req_failed{kind:read}", "rate==0", "0", true},
		{"reads_too_old", "count==0", "not measured", false},
		{"memory of the largest edge", "at most 82 MiB", "82 MiB at most, 1.0 MiB at the end", false},
	}
	if len(s.Goals) != len(want) {
		t.Fatalf("%+v", s.Goals)
	}
	for i := range want {
		if s.Goals[i] != want[i] {
			t.Errorf("goal %d: %+v, want %+v", i, s.Goals[i], want[i])
		}
	}
	if s.Passed() {
		t.Error("it passed")
	}
	if !newScenario("steady", time.Minute, summaryOf(t, allMet), Memory{Most: budget - 1}).Goals[4].Met {
		t.Error("the memory is within its budget")
	}
}

func TestResults_PageTellsWhatWasMissed(t *testing.T) {
	folder := t.TempDir()
	good := newScenario("spike", time.Minute, summaryOf(t, allMet), Memory{})
	r := Results{Date: "2026-01-02", Machine: "<2 cores>", Rate: 1000, Objects: 6000, Edges: 2, L1: l1Size, Scenarios: []Scenario{good}}
	if !r.Passed() {
		t.Error("it did not pass")
	}
	if r.Scenarios = append(r.Scenarios, newScenario("steady", time.Minute, summaryOf(t, figures), Memory{})); r.Passed() {
		t.Error("it passed")
	}
	if err := r.save(folder); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(folder, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"&lt;2 cores&gt;", "6,000 objects", `<a href="steady.html">`, "61.5 ms", `<td>p(99)&lt;50</td>`, "91.2 %"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
	if n := strings.Count(string(page), `class="missed">missed`); n != 3 {
		t.Errorf("missed: %d times", n)
	}
	if (&Results{}).Passed() {
		t.Error("nothing was run")
	}
}

func TestReadSummary_SaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.json")
	for text, want := range map[string]string{"": "no such file", "{": "s.json", "{}": "no metrics"} {
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := readSummary(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
		_ = os.Remove(file)
	}
}

func TestLargestEdge(t *testing.T) {
	all := map[int]processes.Process{
		10: {Parent: 1, Command: "tiercache up --edges 2"},
		11: {Parent: 10, Command: "tiercache edge --config a", Private: 5, Shared: 2},
		12: {Parent: 10, Command: "tiercache edge --config b", Private: 6, Shared: 2},
		13: {Parent: 10, Command: "tiercache regional --config c", Private: 600},
		14: {Parent: 1, Command: "tiercache edge --config other", Private: 700},
	}
	if got := largestEdge(all, 10); got != 8 {
		t.Errorf("%d", got)
	}
}

// scripted is a k6 that writes a summary and ends with a status.
func scripted(t *testing.T, status string) Config {
	t.Helper()
	folder := t.TempDir()
	script := "#!/bin/sh\n[ \"$1 $2\" = 'run --quiet' ] && [ \"$TOKEN\" = secret ] || exit 1\ncat > \"$SUMMARY\" <<'E'\n" + figures + "\nE\nexit " + status + "\n"
	file := filepath.Join(folder, "k6")
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := valid()
	cfg.K6, cfg.Out, cfg.Progress = file, folder, t.Output()
	return cfg
}

func TestScenario_MissedThresholdsAreResults(t *testing.T) {
	for status, works := range map[string]bool{"0": true, "99": true, "107": false} {
		cfg := scripted(t, status)
		s, err := cfg.scenario(t.Context(), "steady", "secret", os.Getpid())
		if (err == nil) != works || works && s.Reads != 12000 {
			t.Errorf("status %s: %+v, %v", status, s, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cfg := scripted(t, "0")
	if _, err := cfg.scenario(ctx, "steady", "secret", os.Getpid()); err == nil {
		t.Error("it ran although it was cancelled")
	}
}
