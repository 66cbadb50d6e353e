package cost

import (
	_ "embed" // the page's text
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/dustin/go-humanize"

	"tiercache/shared/config"
)

//go:embed page.md.tmpl
var pageText string

// Page is all that COST.md says.
type Page struct {
	M        *Measured
	P        *Prices
	Roles    []Role
	Units    Units
	Mix      Mix
	MixPhase *Phase
	Phases   []PhaseRow
	Reckoned ByRole // the cost of 1,000 requests of the measured mix, by the units
	Found    ByRole // and as it was measured
	Capacity []Capacity
	Fleets   []Fleet // by rate, then by machine
}

// PhaseRow is a phase, and what 1,000 of its requests cost.
type PhaseRow struct {
	Phase
	Per1000 ByRole
}

// Capacity is how many a second a machine of one size carries, if that is all that it does.
type Capacity struct {
	Machine                              Machine
	EdgeL1, EdgeL2, EdgeMix, EdgeMemory  float64 // requests at an edge; the last by its memory
	RegionalL2, RegionalFill, OriginFill float64
	Writes, Purges                       float64 // by origin and PostgreSQL, by control and NATS
}

// NewPage works out a page. Both must be valid.
func NewPage(m *Measured, p *Prices) Page {
	units, mix := m.Units(), m.last(CaseMix)
	page := Page{M: m, P: p, Roles: Roles(), Units: units, Mix: mix.Mix(), MixPhase: mix, Reckoned: units.Cost(mix.Mix()), Found: mix.Per1000(units.Idle)}
	for _, phase := range m.Phases {
		if phase.Case != CaseIdle {
			page.Phases = append(page.Phases, PhaseRow{phase, phase.Per1000(units.Idle)})
		}
	}
	for i := range p.Machines {
		page.Capacity = append(page.Capacity, page.capacity(&p.Machines[i]))
	}
	for _, rate := range p.Rates {
		for i := range p.Machines {
			page.Fleets = append(page.Fleets, m.Fleet(p, &p.Machines[i], rate))
		}
	}
	return page
}

func (g *Page) capacity(machine *Machine) Capacity {
	groups := Groups()
	carries := func(group int, cost ByRole) float64 {
		roles := groups[group].Roles
		return g.P.Carries(machine, g.Units.Idle.Sum(roles...), cost.Sum(roles...))
	}
	u, mix := &g.Units, g.M.MixCost()
	return Capacity{
		Machine: *machine,
		EdgeL1:  carries(0, u.L1), EdgeL2: carries(0, u.L2),
		EdgeMix:    g.P.Carries(machine, u.Idle[Edge], mix.Of(1, 1, Edge)),
		EdgeMemory: g.M.EdgeCarries(g.P, machine),
		RegionalL2: carries(1, u.L2), RegionalFill: carries(1, u.Fill), OriginFill: carries(2, u.Fill),
		Writes: carries(2, u.Write), Purges: carries(3, u.Purge),
	}
}

// Saved is the share of clients' bytes that the origin did not send in the mix.
func (g *Page) Saved() float64 { return 1 - g.Mix.OriginBytes/g.Mix.Bytes }

// SavedRequests is the share of clients' requests that did not reach the origin in the mix.
func (g *Page) SavedRequests() float64 { return 1 - g.Mix.Fill }

// IdleMemory is what a role held before there was any request, in bytes.
func (g *Page) IdleMemory(role Role) float64 { return g.M.last(CaseIdle).Memory[role] }

// Cores that a role, or all, takes when nothing happens.
func (g *Page) Cores(roles ...Role) float64 { return g.Units.Idle.Sum(roles...) }

// write writes the page as Markdown.
func (g *Page) write(w io.Writer) error {
	t, err := template.New("page").Option("missingkey=error").Funcs(formats()).Parse(pageText)
	if err != nil {
		return err
	}
	return t.Execute(w, g)
}

// Save writes COST.md, and below figures/ the plot and the figures.
func Save(out string, m *Measured, p *Prices) (files []string, err error) {
	figures := filepath.Join(out, "figures")
	if err := os.MkdirAll(figures, 0o755); err != nil {
		return nil, err
	}
	page := NewPage(m, p)
	var text strings.Builder
	if err := page.write(&text); err != nil {
		return nil, fmt.Errorf("the page: %w", err)
	}
	files = []string{filepath.Join(out, "COST.md"), filepath.Join(figures, "cost.png"), filepath.Join(figures, "cost.json")}
	if err := os.WriteFile(files[0], []byte(text.String()), 0o644); err != nil {
		return nil, err
	}
	if err := page.plot(files[1]); err != nil {
		return nil, err
	}
	return files, m.Write(files[2])
}

// formats are how figures are written.
func formats() template.FuncMap {
	fixed := func(digits int) func(float64) string {
		return func(v float64) string { return fmt.Sprintf("%.*f", digits, v) }
	}
	return template.FuncMap{
		"n1": fixed(1), "n2": fixed(2), "n3": fixed(3), "count": count,
		"money":              func(v float64) string { return humanize.FormatFloat("#,###.##", v) },
		"percent":            func(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) },
		"mib":                func(v float64) string { return count(v / (1 << 20)) },
		"gib":                func(v float64) string { return fmt.Sprintf("%.1f GiB", v/(1<<30)) },
		"kib":                func(v float64) float64 { return v / (1 << 10) },
		"minutes":            func(seconds float64) float64 { return math.Ceil(seconds / 60) },
		"mul":                func(a, b any) float64 { return number(a) * number(b) },
		"float":              number,
		"monthSeconds":       func() int { return monthSeconds },
		"machinesPerMillion": func(f Fleet) float64 { m, _ := f.PerMillion(); return m },
		"allPerMillion":      func(f Fleet) float64 { _, all := f.PerMillion(); return all },
		"caseName": func(c Case) string {
			return map[Case]string{
				CaseL1: "hit in L1", CaseL2: "hit in L2", CaseFill: "fill from the origin", CaseMix: "mix", CaseWrite: "write", CasePurge: "purge by tag",
			}[c]
		},
	}
}

// count is a whole number with commas; what has no limit has a word.
func count(v any) string {
	n := number(v)
	if math.IsInf(n, 1) {
		return "no limit"
	}
	return humanize.Comma(int64(math.Round(n)))
}

func number(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		return v
	case config.Size:
		return float64(v)
	}
	panic(fmt.Sprintf("cost: %T in the page is no number", v))
}
