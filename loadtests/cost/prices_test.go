package cost

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestReadPrices_TheExample(t *testing.T) {
	p, err := ReadPrices("prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Machines) != 3 || p.Machines[0].Memory != 4<<30 || p.Machines[2].VCPUs != 8 {
		t.Errorf("%+v", p)
	}
}

// An error names file, line and field.
func TestReadPrices_SaysWhatIsWrongAndWhere(t *testing.T) {
	example, err := os.ReadFile("prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"no number":        {"month: 40", "month: forty", `: "forty" is not a number`},
		"unknown field":    {"edge_egress", "edge_egres", `unknown field "edge_egres": did you mean edge_egress?`},
		"no size":          {"memory: 8GiB", "memory: much", `: "much" is not a size`},
		"no cores":         {"vcpus: 4", "vcpus: 0", "machines[1].vcpus: 0: use 1 or more"},
		"small memory":     {"memory: 8GiB", "memory: 8", "machines[1].memory: 8: use a size"},
		"negative price":   {"month: 80", "month: -1", "machines[2].month: -1: use 0 or more"},
		"no name":          {"name: medium", `name: ""`, "machines[1].name: is missing"},
		"utilisation":      {"target_utilisation: 0.5", "target_utilisation: 50", "target_utilisation: 50: use 0.01 to 1"},
		"overhead":         {"l1_overhead: 1.3", "l1_overhead: 0.25", "l1_overhead: 0.25: use 1 to 10"},
		"egress":           {"origin_egress: 0.08", "origin_egress: -0.08", "origin_egress: -0.08: use 0 or more"},
		"not a number":     {"memory_share: 0.75", "memory_share: nan", "memory_share: NaN: use 0.01 to 1"},
		"rate":             {"[1000, 10000]", "[1000, 0]", "rates[1]: 0 requests a second"},
		"no rates":         {"rates: [1000, 10000]", "rates: []", "rates: is missing"},
		"too few machines": {"  regional: 2", "  regional: 0", "at_least.regional: 0: use 1 to 1000"},
		"no currency":      {"currency: EUR", `currency: ""`, "currency: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(string(example), c.old) {
				t.Fatalf("the example has no %q", c.old)
			}
			text := strings.Replace(string(example), c.old, c.new, 1)
			path := filepath.Join(t.TempDir(), "mine.yaml")
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := ReadPrices(path)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			line := 1 + strings.Count(text[:strings.Index(text, c.new)], "\n")
			if want := path + ":" + strconv.Itoa(line) + ":"; !strings.Contains(err.Error(), want) {
				t.Errorf("no %q in %v", want, err)
			}
		})
	}
	if _, err := ReadPrices(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
