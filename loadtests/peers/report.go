package peers

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what was measured.
type Report struct {
	Began    time.Time
	Machine  string
	Load     string // before
	Config   Config
	Versions []Version
	Cases    []Case
	Memory   []Memory
	Profile  []Share // of the edge, in the first case; empty: it was not measured
}

// Version is what a server says that it is.
type Version struct{ Name, Version string }

// Case is one workload.
type Case struct {
	Name    string
	Rate    float64 // of the open loop, requests a second; 0: there was none
	Servers []Measured
}

// Measured is one server in one case.
type Measured struct {
	Name      string
	Rounds    []Round
	Latencies []Latency
}

// Throughput is the median of the rounds, in requests a second.
func (m *Measured) Throughput() float64 {
	return median(m.Rounds, func(r Round) float64 { return r.Rate })
}

// CPU is the median of the processor time of a request.
func (m *Measured) CPU() time.Duration {
	return time.Duration(median(m.Rounds, func(r Round) float64 { return float64(r.CPU) }))
}

// P50 and P99 are medians of those of the rounds.
func (m *Measured) P50() time.Duration {
	return time.Duration(median(m.Latencies, func(l Latency) float64 { return float64(l.P50) }))
}

func (m *Measured) P99() time.Duration {
	return time.Duration(median(m.Latencies, func(l Latency) float64 { return float64(l.P99) }))
}

// median of values; 0 of none.
func median[T any](list []T, value func(T) float64) float64 {
	if len(list) == 0 {
		return 0
	}
	values := make([]float64, len(list))
	for i, v := range list {
		values[i] = value(v)
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// first is tiercache where it was measured, or what came first.
func (c *Case) first() *Measured { return &c.Servers[0] }

// String is tables.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, load %s before; servers on processor %d, the load on %d; %d rounds of %s, %d connections\n",
		r.Began.Format("2006-01-02 15:04"), r.Machine, r.Load, r.Config.ServerCPU, r.Config.LoadCPU, r.Config.Rounds, r.Config.Lasting, r.Config.Connections)
	for _, v := range r.Versions {
		fmt.Fprintf(&b, "%s: %s\n", v.Name, v.Version)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i := range r.Cases {
		c := &r.Cases[i]
		fmt.Fprintf(w, "\t\t\t\t\t\n%s\tREQUESTS/S\t%s/IT\tCPU/REQUEST\t%s\t%s\n", strings.ToUpper(c.Name), strings.ToUpper(c.first().Name), latencyTitle("P50", c), latencyTitle("P99", c))
		for k := range c.Servers {
			m := &c.Servers[k]
			if len(m.Rounds) == 0 {
				continue
			}
			fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.1f us\t%s\t%s\n", m.Name, m.Throughput(), c.first().Throughput()/m.Throughput(), us(m.CPU()), latency(m, m.P50()), latency(m, m.P99()))
		}
	}
	if len(r.Memory) > 0 {
		fmt.Fprintf(w, "\t\t\t\t\t\nMEMORY\tEMPTY\tBYTES AN OBJECT OF 1 KIB\t\t\t\n")
		for _, m := range r.Memory {
			fmt.Fprintf(w, "%s\t%.0f MiB\t%.0f\t\t\t\n", m.Name, float64(m.Empty)/(1<<20), m.Object)
		}
	}
	_ = w.Flush() // a strings.Builder takes all
	return b.String()
}

func latencyTitle(name string, c *Case) string {
	if c.Rate == 0 {
		return ""
	}
	return fmt.Sprintf("%s AT %.0f/S", name, c.Rate)
}

func latency(m *Measured, d time.Duration) string {
	if len(m.Latencies) == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f us", us(d))
}

func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// CSV is a line for each round.
func (r *Report) CSV() string {
	var b strings.Builder
	b.WriteString("case,server,round,requests_s,cpu_us,open_loop_rate,p50_us,p99_us,max_us\n")
	for i := range r.Cases {
		c := &r.Cases[i]
		for k := range c.Servers {
			m := &c.Servers[k]
			for n, round := range m.Rounds {
				var l Latency
				if n < len(m.Latencies) {
					l = m.Latencies[n]
				}
				fmt.Fprintf(&b, "%q,%s,%d,%.0f,%.2f,%.0f,%.0f,%.0f,%.0f\n", c.Name, m.Name, n+1, round.Rate, us(round.CPU), c.Rate, us(l.P50), us(l.P99), us(l.Max))
			}
		}
	}
	for _, m := range r.Memory {
		fmt.Fprintf(&b, "\"memory\",%s,,,,,,%d,%.0f\n", m.Name, m.Empty, m.Object)
	}
	return b.String()
}
