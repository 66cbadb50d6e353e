package scenarios

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
)

// Results of a run.
type Results struct {
	Date, Machine        string
	Rate, Objects, Edges int
	L1                   int64 // bytes
	Scenarios            []Scenario
}

// Passed reports whether all goals of all scenarios were met.
func (r *Results) Passed() bool {
	return len(r.Scenarios) > 0 && !slices.ContainsFunc(r.Scenarios, func(s Scenario) bool { return !s.Passed() })
}

// Scenario is how one went.
type Scenario struct {
	Name                      string
	Lasting                   time.Duration
	Reads, Writes, Purges     int     // requests
	Hits                      float64 // of an edge itself, of all reads, 0 to 1
	ReadP50, ReadP99, ReadMax float64 // milliseconds
	Goals                     []Goal
}

// Passed reports whether all its goals were met.
func (s *Scenario) Passed() bool {
	return len(s.Goals) > 0 && !slices.ContainsFunc(s.Goals, func(g Goal) bool { return !g.Met })
}

// Goal is a threshold, and what was measured.
type Goal struct {
	Metric, Threshold, Measured string
	Met                         bool
}

// summary is what k6 hands to handleSummary, as far as it is read here.
type summary struct {
	Metrics map[string]metric `json:"metrics"`
}

type metric struct {
	Contains   string             `json:"contains"` // "time", in milliseconds, or "default"
	Values     map[string]float64 `json:"values"`
	Thresholds map[string]struct {
		OK bool `json:"ok"`
	} `json:"thresholds"`
}

func readSummary(file string) (s summary, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	if len(s.Metrics) == 0 {
		return s, fmt.Errorf("%s has no metrics", file)
	}
	return s, nil
}

// newScenario adds a goal of its own to those of the script: the memory of the edges.
func newScenario(name string, lasting time.Duration, k6 *summary, memory Memory) Scenario {
	times := k6.Metrics["http_req_duration{kind:read}"].Values
	s := Scenario{
		Name: name, Lasting: lasting, Hits: k6.Metrics["edge_hits"].Values["rate"],
		ReadP50: times["med"], ReadP99: times["p(99)"], ReadMax: times["max"],
		Reads: k6.requests("read"), Writes: k6.requests("write"), Purges: k6.requests("purge"),
	}
	for _, name := range slices.Sorted(maps.Keys(k6.Metrics)) {
		m := k6.Metrics[name]
		for _, threshold := range slices.Sorted(maps.Keys(m.Thresholds)) {
			value, measured := m.measured(threshold)
			s.Goals = append(s.Goals, Goal{name, threshold, value, measured && m.Thresholds[threshold].OK})
		}
	}
	const budget = l1Size*13/10 + allowedOver
	s.Goals = append(s.Goals, Goal{
		Metric: "memory of the largest edge", Threshold: "at most " + humanize.IBytes(budget),
		Measured: fmt.Sprintf("%s at most, %s at the end", humanize.IBytes(uint64(memory.Most)), humanize.IBytes(uint64(memory.Last))), Met: memory.Most <= budget,
	})
	return s
}

// requests of a kind: k6 counts the failed ones and the others.
func (s *summary) requests(kind string) int {
	values := s.Metrics["http_req_failed{kind:"+kind+"}"].Values
	return int(values["passes"] + values["fails"])
}

var aggregation = regexp.MustCompile(`^[a-z]+(\([0-9.]+\))?`)

// measured is the figure that a threshold, such as p(99)<50, is about. k6 lets thresholds of what never happened pass.
func (m *metric) measured(threshold string) (value string, ok bool) {
	x, ok := m.Values[aggregation.FindString(threshold)]
	switch {
	case !ok:
		return "not measured", false
	case m.Contains == "time":
		return fmt.Sprintf("%.1f ms", x), true
	default:
		return strconv.FormatFloat(math.Round(x*1e4)/1e4, 'f', -1, 64), true
	}
}
