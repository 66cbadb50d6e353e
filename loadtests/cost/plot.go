package cost

import (
	"errors"
	"fmt"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Sizes of the plot.
const (
	plotWidth  = 26 * vg.Centimeter
	plotHeight = 11 * vg.Centimeter
	barWidth   = 12 * vg.Millimeter
	thinBar    = 8 * vg.Millimeter

	// legendRoom is how much higher an axis is than its highest bar, for the legend.
	legendRoom = 1.4
)

// plot draws a PNG: what 1,000 requests of each case cost, by role, and the machines of a month.
func (g *Page) plot(path string) (err error) {
	costs, err := g.plotUnits()
	if err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	months, err := g.plotMonths()
	if err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	plots := []*plot.Plot{costs, months}
	canvas := vgimg.New(plotWidth, plotHeight)
	tiles := draw.Tiles{Rows: 1, Cols: len(plots), PadX: vg.Centimeter, PadRight: vg.Millimeter * 5, PadTop: vg.Millimeter * 3, PadBottom: vg.Millimeter * 3, PadLeft: vg.Millimeter * 3}
	for i, c := range plot.Align([][]*plot.Plot{plots}, tiles, draw.New(canvas))[0] {
		plots[i].Draw(c)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = vgimg.PngCanvas{Canvas: canvas}.WriteTo(f)
	return errors.Join(err, f.Close())
}

// plotUnits has a bar for each case, in parts for the roles.
func (g *Page) plotUnits() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = "What 1,000 requests cost", "seconds of processor time"
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, vg.Millimeter
	p.Y.Min = 0
	cases := []ByRole{g.Units.L1, g.Reckoned, g.Units.L2, g.Units.Fill}
	p.NominalX("L1", "mix", "L2", "fill")
	var below *plotter.BarChart
	for i, role := range Roles() {
		values := make(plotter.Values, len(cases))
		for c := range cases {
			values[c] = cases[c][role]
		}
		bars, err := plotter.NewBarChart(values, barWidth)
		if err != nil {
			return nil, err
		}
		bars.Color, bars.LineStyle.Width = plotutil.Color(i), 0
		if below != nil {
			bars.StackOn(below)
		}
		below = bars
		p.Add(bars)
		p.Legend.Add(string(role), bars)
	}
	return p, nil
}

// plotMonths has a group of bars for each rate, one for each size of machine. What no machine of a size does has none.
func (g *Page) plotMonths() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = "Machines of a month, example prices", g.P.Currency
	p.X.Label.Text = "requests a second"
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, vg.Millimeter
	var names []string
	for _, rate := range g.P.Rates {
		names = append(names, count(rate))
	}
	p.NominalX(names...)
	for i, machine := range g.P.Machines {
		values := make(plotter.Values, len(g.P.Rates))
		for r := range g.P.Rates {
			values[r] = g.Fleets[r*len(g.P.Machines)+i].Machines
		}
		bars, err := plotter.NewBarChart(values, thinBar)
		if err != nil {
			return nil, err
		}
		bars.Color, bars.LineStyle.Width = plotutil.Color(i), 0
		bars.Offset = thinBar * vg.Length(float64(i)-float64(len(g.P.Machines)-1)/2)
		p.Add(bars)
		p.Legend.Add(machine.Name, bars)
	}
	p.X.Min, p.X.Max = -0.75, float64(len(names))-0.25
	p.Y.Min, p.Y.Max = 0, p.Y.Max*legendRoom
	return p, nil
}
