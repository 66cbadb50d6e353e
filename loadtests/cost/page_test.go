package cost

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestPage_HasEveryFigure(t *testing.T) {
	m, p := sample(), examplePrices()
	m.last(CaseFill).Errors = 1
	p.Rates = append(p.Rates, 1e6) // too much for any
	page := NewPage(&m, &p)
	var b strings.Builder
	if err := page.write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		"2026-01-02 03:04 UTC, on 2 x A CPU", "load over the last minute 0.10 before and 0.20 after", "70 % have 1,024 bytes, 25 % have 10,240 bytes, 5 % have 102,400 bytes",
		"which took 5 minutes here", "10.0 objects are written and 1.0 tags purged",
		"| fill from the origin | 100 | 1,000, 1 failed |",
		"| idle, cores | 0.100 | 0.100 | 0.100 | 0.100 | 0.100 | 0.100 | 0.100 | 0.700 |",
		"| hit in L1, 1,000 | 0.050 | 0.000 |",
		"| measured | 0.070 | 0.040 | 0.010 | 0.030 | 0.030 | 0.010 | 0.010 | 0.200 |",
		"| idle, L1 empty | 50 | 60 | 70 | 80 | 90 | 100 | 30 |", "| most of any phase | 150 | 160 | 170 | 180 | 190 | 100 | 30 |",
		"| requests | 10,000 | 90.0 % | 8.0 % | 2.0 % | 98.0 % |", "| bytes | 100,000,000 | | | 2,000,000 | 98.0 % |",
		"| edge, all hits in L1 | 18,000 | 78,000 |",
		"| 1,000 | small | 2 | 2 | 2 | 2 | 160.00 |", "| 1,000,000 | small | too small: ",
		"| small, 2 vCPUs, 4.0 GiB, a month | 20.00 EUR |", "10.0 KiB of the edge (2,000 were opened)",
		"a month = 2,628,000 s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if bad := regexp.MustCompile(`NaN|Inf|no value|%!|map\[|-0\.0`).FindString(text); bad != "" {
		t.Errorf("%q in the page", bad)
	}
	if t.Failed() {
		t.Log(text)
	}
	checkTables(t, text)
}

// checkTables wants each row of a table to have as many cells as its head.
func checkTables(t *testing.T, text string) {
	t.Helper()
	cells := 0
	for line := range strings.Lines(text) {
		n := strings.Count(line, "|")
		switch {
		case !strings.HasPrefix(line, "|"):
			cells = 0
		case cells == 0:
			cells = n
		case n != cells:
			t.Errorf("%d cells instead of %d: %s", n-1, cells-1, line)
		}
	}
}

func TestSave_WritesPagePlotAndFigures(t *testing.T) {
	m, p := sample(), examplePrices()
	out := filepath.Join(t.TempDir(), "results")
	files, err := Save(out, &m, &p)
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	png, err := os.ReadFile(filepath.Join(out, "figures", "cost.png"))
	if err != nil || !strings.HasPrefix(string(png), "\x89PNG") {
		t.Errorf("the plot: %d bytes, %v", len(png), err)
	}
	page, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadMeasured(files[2])
	if err != nil {
		t.Fatal(err)
	}
	again, err := Save(filepath.Join(t.TempDir(), "again"), &read, &p)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(again[0]); err != nil || string(b) != string(page) {
		t.Errorf("the page of kept figures is another one: %v", err)
	}
}

func TestReadMeasured_WantsAllOfIt(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Measured)
		want   string
	}{
		"a case":   {func(m *Measured) { m.Phases = m.Phases[:len(m.Phases)-1] }, `no phase of case "purge"`},
		"requests": {func(m *Measured) { m.last(CaseL2).Requests = 0 }, `case "l2": 0 requests`},
		"memory":   {func(m *Measured) { delete(m.last(CaseL2).Memory, NATS) }, `case "l2": no memory of nats`},
		"bytes":    {func(m *Measured) { m.last(CaseMix).Bytes = 0 }, `case "mix"`},
	} {
		t.Run(name, func(t *testing.T) {
			m := sample()
			c.change(&m)
			path := filepath.Join(t.TempDir(), "m.json")
			if err := m.Write(path); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadMeasured(path); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "m.json")
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadMeasured(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("half a file: %v", err)
	}
}

func TestConfig_SaysWhatIsWrong(t *testing.T) {
	good := Config{Objects: 12_000, Rates: []float64{1000, 4000}, Lasting: 4e9}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"objects": func(c *Config) { c.Objects = 10 }, "no rates": func(c *Config) { c.Rates = nil },
		"order": func(c *Config) { c.Rates = []float64{4000, 1000} }, "low": func(c *Config) { c.Rates = []float64{1} }, "short": func(c *Config) { c.Lasting = 1e9 },
	} {
		c := good
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// docs/COST.md is what the figures beside it and the example prices make: nobody has typed into it, and the text that it is made
// from has not moved on without it. Make it again with: make cost ARGS="--from docs/figures/cost.json --out docs"
func TestPage_InTheDocsIsMade(t *testing.T) {
	m, err := ReadMeasured("../../docs/figures/cost.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := ReadPrices("prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	page := NewPage(&m, &p)
	var want strings.Builder
	if err := page.write(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/COST.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Error(`docs/COST.md differs: make cost ARGS="--from docs/figures/cost.json --out docs"`)
	}
}
