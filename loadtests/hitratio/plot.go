package hitratio

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Size of one trace's plot.
const (
	plotWidth  = 12 * vg.Centimeter
	plotHeight = 11 * vg.Centimeter
	columns    = 2
)

// Plot writes a PNG with the hit ratios of each trace over the budget.
func (r Report) Plot(path string) (err error) {
	var plots []*plot.Plot
	for from := 0; from < len(r.Rows); {
		to := from
		for to < len(r.Rows) && r.Rows[to].Trace == r.Rows[from].Trace {
			to++
		}
		p, err := curves(r.Rows[from:to])
		if err != nil {
			return err
		}
		plots, from = append(plots, p), to
	}
	rows := (len(plots) + columns - 1) / columns
	canvas := vgimg.New(columns*plotWidth, vg.Length(rows)*plotHeight)
	margin := vg.Millimeter * 4
	tiles := draw.Tiles{Rows: rows, Cols: columns, PadX: vg.Centimeter, PadY: vg.Centimeter, PadRight: margin, PadTop: margin, PadBottom: margin, PadLeft: margin}
	for i, p := range plots {
		p.Draw(tiles.At(draw.New(canvas), i%columns, i/columns))
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = vgimg.PngCanvas{Canvas: canvas}.WriteTo(f)
	return err
}

// curves draws the policies of one trace.
func curves(rows []Measured) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = rows[0].Trace.Name
	p.X.Label.Text, p.Y.Label.Text = "budget, % of the trace's bytes", "requests answered, %"
	p.Add(plotter.NewGrid())
	var ticks []plot.Tick
	for i := range rows {
		ticks = append(ticks, plot.Tick{Value: float64(rows[i].Share), Label: strconv.Itoa(rows[i].Share)})
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.Legend.Left = false
	var lines []any
	for _, name := range names() {
		if _, ok := rows[0].Ratios[name]; !ok {
			continue
		}
		points := make(plotter.XYs, len(rows))
		for i := range rows {
			points[i] = plotter.XY{X: float64(rows[i].Share), Y: rows[i].percent(name)}
		}
		lines = append(lines, name, points)
	}
	if err := plotutil.AddLinePoints(p, lines...); err != nil {
		return nil, fmt.Errorf("plot: %w", err)
	}
	return p, nil
}
