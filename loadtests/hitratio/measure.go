package hitratio

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
)

// Config is what is measured.
type Config struct {
	Traces   string    // folder with traces
	Budget   int64     // in bytes: what the smallest budget of each trace is brought to by copies of it
	Progress io.Writer // told of each step
}

// shares are the budgets, in percent of a trace's bytes.
func shares() []int { return []int{5, 10, 20, 40} }

// contender is a policy. One that takes any budget gets the trace once, and its share of the budget.
type contender struct {
	name   string
	open   func(budget int64) (cache, error)
	copies bool
}

const (
	nameL1      = "L1"
	nameTinyLFU = "W-TinyLFU"
	namePlain   = "bigcache"
	nameOptimum = "Belady"
)

func contenders() []contender {
	return []contender{
		{nameL1, newL1, true}, {nameTinyLFU, newTinyLFU, false}, {"LRU", newLRU, false}, {namePlain, newBigcache, true},
	}
}

// Measured is one trace at one budget.
type Measured struct {
	Trace  *Trace
	Copies int
	Share  int   // percent of the trace's bytes
	Budget int64 // in bytes, for all copies
	Ratios map[string]Ratio
}

// Ratio is what share of requests, and of the bytes asked for, was answered.
type Ratio struct{ Requests, Bytes float64 }

// Run replays all traces at all budgets through all policies.
func Run(ctx context.Context, cfg Config) (Report, error) {
	traces, err := readTraces(cfg.Traces)
	if err != nil {
		return Report{}, err
	}
	var r Report
	for i := range traces {
		t := &traces[i]
		smallest := t.Bytes * int64(shares()[0]) / 100
		copies := int((cfg.Budget + smallest - 1) / smallest)
		for _, share := range shares() {
			m := Measured{Trace: t, Copies: copies, Share: share, Budget: t.Bytes * int64(share) / 100 * int64(copies), Ratios: map[string]Ratio{}}
			if err := m.replay(ctx); err != nil {
				return r, fmt.Errorf("%s at %d %%: %w", t.Name, share, err)
			}
			r.Rows = append(r.Rows, m)
			fmt.Fprintf(cfg.Progress, "%s at %d %%: %s %.2f, %s %.2f\n", t.Name, share, nameL1, m.percent(nameL1), nameTinyLFU, m.percent(nameTinyLFU))
		}
	}
	return r, nil
}

func (m *Measured) percent(name string) float64 { return 100 * m.Ratios[name].Requests }

// replay fills Ratios.
func (m *Measured) replay(ctx context.Context) error {
	for _, c := range contenders() {
		copies := 1
		if c.copies {
			copies = m.Copies
		}
		opened, err := c.open(m.Budget / int64(m.Copies) * int64(copies))
		if err == nil {
			m.Ratios[c.name], err = replay(ctx, opened, m.Trace, copies)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		opened = nil
		debug.FreeOSMemory() // rings are large, and there are many of them
	}
	if !m.Trace.Sized {
		hits := belady(m.Trace.requests, m.Trace.Objects, int(m.Budget/int64(m.Copies)/defaultSize))
		ratio := float64(hits) / float64(len(m.Trace.requests))
		m.Ratios[nameOptimum] = Ratio{ratio, ratio}
	}
	return nil
}

// replay asks a cache for what a trace asks for, and so for each copy.
func replay(ctx context.Context, c cache, t *Trace, copies int) (Ratio, error) {
	var hits, asked, hitBytes, askedBytes float64
	for i, r := range t.requests {
		if i%(1<<12) == 0 && ctx.Err() != nil {
			return Ratio{}, ctx.Err()
		}
		for n := range copies {
			found, err := c.ask(uint64(n)<<32|uint64(r.object), int(r.size))
			if err != nil {
				return Ratio{}, err
			}
			if found {
				hits++
				hitBytes += float64(r.size)
			}
			asked++
			askedBytes += float64(r.size)
		}
	}
	return Ratio{hits / asked, hitBytes / askedBytes}, nil
}
