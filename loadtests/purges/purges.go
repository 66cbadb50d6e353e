// Package purges measures how long a purge takes: from the request until each node of the fleet has a receipt
// for it. Start reading at Run.
package purges

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tiercache/control/client"
)

// Config of a measurement.
type Config struct {
	Control string // URL of the control API
	Token   string
	Host    string        // what URLs, prefixes and hosts are of
	Service string        // a service's name
	Tag     string        // the tag of purges by tag; empty: a new one each
	Count   int           // purges of each kind
	Pause   time.Duration // between two
}

// Kind is what was measured of one kind of purge.
type Kind struct {
	Name       string
	Median     time.Duration
	P99        time.Duration
	Max        time.Duration
	Incomplete int // purges that some node had not applied when they were answered
}

// Report is one measurement.
type Report struct{ Kinds []Kind }

// kinds are the requests of each kind; i makes them differ.
func kinds(cfg *Config) []struct {
	name string
	make func(i int) client.PurgeRequest
} {
	url := func(i int) string { return fmt.Sprintf("http://%s/purged/%d", cfg.Host, i) }
	tag := func(i int) string {
		if cfg.Tag != "" {
			return cfg.Tag
		}
		return fmt.Sprint("purged-", i)
	}
	return []struct {
		name string
		make func(i int) client.PurgeRequest
	}{
		{"url", func(i int) client.PurgeRequest { return client.PurgeRequest{URLs: []string{url(i)}} }},
		{"tag", func(i int) client.PurgeRequest { return client.PurgeRequest{Tags: []string{tag(i)}} }},
		{"tag, soft", func(i int) client.PurgeRequest { return client.PurgeRequest{Tags: []string{tag(i)}, Mode: "soft"} }},
		{"prefix", func(i int) client.PurgeRequest { return client.PurgeRequest{Prefixes: []string{url(i) + "/"}} }},
		{"host", func(int) client.PurgeRequest { return client.PurgeRequest{Hosts: []string{cfg.Host}} }},
		{"service", func(int) client.PurgeRequest { return client.PurgeRequest{Services: []string{cfg.Service}} }},
		{"all", func(int) client.PurgeRequest { return client.PurgeRequest{All: true} }},
	}
}

// Run purges Count times by each kind, one after the other.
func Run(ctx context.Context, cfg Config) (Report, error) {
	c, err := client.New(client.Config{URL: cfg.Control, Token: cfg.Token})
	if err != nil {
		return Report{}, err
	}
	var report Report
	for _, kind := range kinds(&cfg) {
		k, err := measure(ctx, c, &cfg, kind.make)
		if err != nil {
			return report, fmt.Errorf("purge by %s: %w", kind.name, err)
		}
		k.Name = kind.name
		report.Kinds = append(report.Kinds, k)
	}
	return report, nil
}

func measure(ctx context.Context, c *client.Client, cfg *Config, request func(i int) client.PurgeRequest) (Kind, error) {
	var k Kind
	var took []time.Duration
	for i := range cfg.Count {
		r := request(i)
		r.Wait = "10s"
		began := time.Now()
		p, err := c.CreatePurge(ctx, r, "")
		if err != nil {
			return k, err
		}
		took = append(took, time.Since(began))
		if !applied(&p) {
			k.Incomplete++
		}
		if err := rest(ctx, cfg.Pause); err != nil {
			return k, err
		}
	}
	slices.Sort(took)
	if n := len(took); n > 0 {
		k.Median, k.P99, k.Max = took[n/2], took[max(0, n*99/100-1)], took[n-1]
	}
	return k, nil
}

// applied reports whether there is at least one node and each has applied the purge.
func applied(p *client.Purge) bool {
	return p.State == client.StateComplete && len(p.Nodes) > 0 &&
		!slices.ContainsFunc(p.Nodes, func(r client.Receipt) bool { return r.State != client.StateApplied })
}

func rest(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// String is a table.
func (r Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tMEDIAN\tP99\tMAX\tINCOMPLETE")
	for _, k := range r.Kinds {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", k.Name, ms(k.Median), ms(k.P99), ms(k.Max), k.Incomplete)
	}
	_ = w.Flush() // a strings.Builder takes all
	return b.String()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
