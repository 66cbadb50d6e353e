package peers

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// Save writes tables, figures and a plot into a folder, in files that carry the date, and returns their names.
func (r *Report) Save(folder string) (names []string, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	base := filepath.Join(folder, "peers-"+r.Began.Format("2006-01-02"))
	for ending, text := range map[string]string{".txt": r.String(), ".csv": r.CSV()} {
		if err := os.WriteFile(base+ending, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return []string{base + ".txt", base + ".csv", base + ".png"}, r.Plot(base + ".png")
}

// Plot writes a PNG: requests a second of each server, as a share of the bare server's or, without one, of the first one's.
func (r *Report) Plot(path string) error {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = "Hits a second on one processor, the bare server's = 1", ""
	p.X.Label.Text = r.Machine
	p.Y.Min = 0
	p.Legend.Top = true
	names, bars := r.shares()
	const group = 5.6 // width of the bars of a case, in cm
	width := vg.Length(group) * vg.Centimeter / vg.Length(max(1, len(names)))
	for i, name := range names {
		bar, err := plotter.NewBarChart(bars[i], width*0.9)
		if err != nil {
			return fmt.Errorf("plot: %w", err)
		}
		bar.LineStyle.Width, bar.Offset = 0, width*(vg.Length(i)-vg.Length(len(names)-1)/2)
		bar.Color = plotutil.Color(i)
		if name == tiercacheEdge().name {
			bar.Color = color.RGBA{R: 20, G: 20, B: 20, A: 255}
		}
		p.Add(bar)
		p.Legend.Add(name, bar)
	}
	var labels []string
	for i := range r.Cases {
		labels = append(labels, strings.TrimSuffix(r.Cases[i].Name, " of 1 KiB by Zipf"))
	}
	p.NominalX(labels...)
	p.Y.Max = p.Y.Max * 1.25 // room for the legend
	return p.Save(vg.Length(len(r.Cases))*(group+1.2)*vg.Centimeter, 11*vg.Centimeter, path)
}

// shares are the servers, and the bars of each, a case after the other.
func (r *Report) shares() (names []string, bars []plotter.Values) {
	for i := range r.Cases {
		c := &r.Cases[i]
		one := c.first().Throughput()
		for k := range c.Servers {
			if c.Servers[k].Name == bareServer().name {
				one = c.Servers[k].Throughput()
			}
		}
		for k := range c.Servers {
			if i == 0 {
				names, bars = append(names, c.Servers[k].Name), append(bars, nil)
			}
			bars[k] = append(bars[k], c.Servers[k].Throughput()/max(1, one))
		}
	}
	return names, bars
}
