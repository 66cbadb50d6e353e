package fleet

import (
	"fmt"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Size of a plot.
const (
	plotWidth  = 24 * vg.Centimeter
	plotHeight = 11 * vg.Centimeter
)

// Plot writes a PNG with how the time of a purge and its cost grow with the number of followers.
func (r Report) Plot(path, machine string) error {
	took, err := r.curves("How long a purge takes", "ms from commit", map[string]func(*Measured) float64{
		"last follower, median": func(m *Measured) float64 { return inMS(m.LastP50) },
		"last follower, p99":    func(m *Measured) float64 { return inMS(m.LastP99) },
		"half of them, median":  func(m *Measured) float64 { return inMS(m.HalfP50) },
	})
	if err != nil {
		return err
	}
	costs, err := r.curves("What the servers take while there are purges", "ms of processor time a second", map[string]func(*Measured) float64{
		"control":    func(m *Measured) float64 { return inMS(m.BusyCPU.Control) },
		"NATS":       func(m *Measured) float64 { return inMS(m.BusyCPU.NATS) },
		"PostgreSQL": func(m *Measured) float64 { return inMS(m.BusyCPU.PostgreSQL) },
	})
	if err != nil {
		return err
	}
	costs.X.Label.Text = "followers (" + machine + ")"
	return save(path, took, costs)
}

// curves draws values over the number of followers.
func (r Report) curves(title, unit string, values map[string]func(*Measured) float64) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "followers", unit
	p.X.Tick.Marker = plot.ConstantTicks(r.ticks())
	p.X.Min, p.Y.Min = 0, 0
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	var lines []any
	for _, name := range sortedKeys(values) {
		points := make(plotter.XYs, len(r.Fleets))
		for i := range r.Fleets {
			points[i] = plotter.XY{X: float64(r.Fleets[i].Followers), Y: max(0, values[name](&r.Fleets[i]))}
		}
		lines = append(lines, name, points)
	}
	if err := plotutil.AddLinePoints(p, lines...); err != nil {
		return nil, fmt.Errorf("plot: %w", err)
	}
	return p, nil
}

func (r Report) ticks() (ticks []plot.Tick) {
	for i := range r.Fleets {
		ticks = append(ticks, plot.Tick{Value: float64(r.Fleets[i].Followers), Label: strconv.Itoa(r.Fleets[i].Followers)})
	}
	return ticks
}

// save draws plots side by side.
func save(path string, plots ...*plot.Plot) error {
	canvas := vgimg.New(plotWidth, plotHeight)
	tiles := draw.Tiles{Rows: 1, Cols: len(plots), PadX: vg.Centimeter, PadRight: vg.Millimeter * 5, PadTop: vg.Millimeter * 3, PadBottom: vg.Millimeter * 3, PadLeft: vg.Millimeter * 3}
	for i, c := range plot.Align([][]*plot.Plot{plots}, tiles, draw.New(canvas))[0] {
		plots[i].Draw(c)
	}
	return writeFile(path, vgimg.PngCanvas{Canvas: canvas})
}
