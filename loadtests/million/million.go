// Package million measures what a purge of a tag costs when very many stored objects carry the tag, against one that a
// single object carries. Each edge, and the regional nodes behind it, really store the objects; each purge is of a tag
// that was not purged before. It cannot take away what it leaves behind: the service million, since services cannot be
// removed, and the objects, dead, until the stores need their room. Start reading at Run.
package million

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tiercache/control/client"
)

// Config of a measurement. The stores must have room: about 1 KiB for each object in each edge, and in L2.
type Config struct {
	Control string // URL of the control API
	Token   string // one that may activate services and purge
	Edges   []string
	Objects int
	Purges  int // of each kind; each object carries so many tags and one more
	Pause   time.Duration
}

const (
	service = "million"
	host    = "million.example.test"

	// maxPurges keeps an object's tags well below what a response may have.
	maxPurges = 100

	// wait is how long a purge may take.
	wait = 30 * time.Second

	// passes is how often all objects are read at an edge until it has stored them: of very many at once some are
	// refused on a small machine.
	passes = 5

	// samples is about how many objects are read behind purges.
	samples = 200
)

// Kind is what was measured of one kind of purge.
type Kind struct {
	Name               string
	First, Median, Max time.Duration
	Incomplete         int // purges that some node had not applied when they were answered
}

// Report is one measurement.
type Report struct {
	Objects int
	Fill    time.Duration // until every object was a hit at every edge
	Kinds   []Kind
	Samples int // reads behind the soft purges, and behind a hard one
	Alive   int // of these, those that were hits
}

// Check says what was measured that may not be: purges that were answered too early, or that left hits.
func (r *Report) Check() error {
	for _, k := range r.Kinds {
		if k.Incomplete > 0 {
			return fmt.Errorf("million: %d purges of a %s were answered before every node had applied them", k.Incomplete, k.Name)
		}
	}
	if r.Alive > 0 {
		return fmt.Errorf("million: %d purged objects were hits", r.Alive)
	}
	return nil
}

// Run fills the edges' stores with objects of a site of its own, and purges their tags. A store that has not all of
// the objects is an error: the measurement would say nothing.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if len(cfg.Edges) == 0 || cfg.Objects <= 0 || cfg.Purges <= 0 || cfg.Purges > maxPurges {
		return Report{}, fmt.Errorf("million: at least one edge and object, 1 to %d purges", maxPurges)
	}
	c, err := client.New(client.Config{URL: cfg.Control, Token: cfg.Token})
	if err != nil {
		return Report{}, err
	}
	s, err := startSite(cfg.Purges)
	if err != nil {
		return Report{}, err
	}
	defer s.stop()
	if err := activate(ctx, c, s.url); err != nil {
		return Report{}, fmt.Errorf("million: activate the service: %w", err)
	}
	report := Report{Objects: cfg.Objects}
	began := time.Now()
	for _, edge := range cfg.Edges {
		if err := fill(ctx, edge, cfg.Objects, 1); err != nil {
			return report, fmt.Errorf("million: fill %s: %w", edge, err)
		}
	}
	report.Fill = time.Since(began)
	if err := report.measure(ctx, c, &cfg); err != nil {
		return report, err
	}
	return report, report.look(ctx, c, &cfg)
}

// fill reads each object whose number is a multiple of step until all of them are hits.
func fill(ctx context.Context, edge string, objects, step int) error {
	var got tally
	wanted := (objects + step - 1) / step
	for range passes {
		var err error
		if got, err = readAll(ctx, edge, objects, step); err != nil {
			return err
		}
		if got.hits == wanted {
			return nil
		}
	}
	return fmt.Errorf("only %d of %d objects are stored, %d were answered: it needs more memory, or time", got.hits, wanted, got.answered)
}

// activate makes the fleet fetch the objects from the site.
func activate(ctx context.Context, c *client.Client, site string) error {
	document := fmt.Sprintf("name: %s\nhosts: [%s]\nupstream: %s\n", service, host, site)
	stored, err := c.PutService(ctx, service, []byte(document), -1)
	if err != nil {
		return err
	}
	active, err := c.ActivateService(ctx, service, stored.Version, wait)
	if err == nil && active.State != client.StateComplete {
		err = errors.New("not every node follows it")
	}
	return err
}

// measure purges in turn a tag of one object and a tag of all. The purges are soft, so that the objects stay in the
// stores, and each one finds as many that carry its tag as the one before.
func (r *Report) measure(ctx context.Context, c *client.Client, cfg *Config) error {
	kinds := []struct {
		name string
		tag  func(i int) string
		took []time.Duration
	}{{name: "tag on 1 object", tag: tagOfOne}, {name: fmt.Sprintf("tag on %d objects", cfg.Objects), tag: tagOfAll}}
	incomplete := make([]int, len(kinds))
	for i := range cfg.Purges {
		for k := range kinds {
			took, applied, err := purge(ctx, c, client.PurgeRequest{Tags: []string{kinds[k].tag(i)}, Mode: "soft"})
			if err != nil {
				return fmt.Errorf("million: %s: %w", kinds[k].name, err)
			}
			if kinds[k].took = append(kinds[k].took, took); !applied {
				incomplete[k]++
			}
			if err := rest(ctx, cfg.Pause); err != nil {
				return err
			}
		}
	}
	for k, kind := range kinds {
		first := kind.took[0]
		slices.Sort(kind.took)
		n := len(kind.took)
		r.Kinds = append(r.Kinds, Kind{Name: kind.name, First: first, Median: kind.took[n/2], Max: kind.took[n-1], Incomplete: incomplete[k]})
	}
	return nil
}

// look reads some of the objects, which the purges so far have made stale. Then it has them stored anew, as a purge that
// reaches nothing would not show in what is stale already, and reads them behind a hard purge of a tag of all.
func (r *Report) look(ctx context.Context, c *client.Client, cfg *Config) error {
	step := max(1, cfg.Objects/samples)
	if err := r.sample(ctx, cfg, step); err != nil {
		return err
	}
	for _, edge := range cfg.Edges {
		if err := fill(ctx, edge, cfg.Objects, step); err != nil {
			return fmt.Errorf("million: fill %s again: %w", edge, err)
		}
	}
	_, applied, err := purge(ctx, c, client.PurgeRequest{Tags: []string{tagOfAll(cfg.Purges)}})
	switch {
	case err != nil:
		return fmt.Errorf("million: the hard purge: %w", err)
	case !applied:
		return errors.New("million: the hard purge was not applied by every node")
	}
	return r.sample(ctx, cfg, step)
}

// sample reads some of the objects at each edge, of which none may be a hit.
func (r *Report) sample(ctx context.Context, cfg *Config, step int) error {
	for _, edge := range cfg.Edges {
		got, err := readAll(ctx, edge, cfg.Objects, step)
		if err != nil {
			return fmt.Errorf("million: read %s: %w", edge, err)
		}
		if got.answered == 0 {
			return fmt.Errorf("million: %s answers nothing", edge)
		}
		r.Samples, r.Alive = r.Samples+got.answered, r.Alive+got.hits
	}
	return nil
}

// purge returns how long it took until each node had a receipt, and whether each had applied it.
func purge(ctx context.Context, c *client.Client, request client.PurgeRequest) (took time.Duration, applied bool, err error) {
	request.Wait = wait.String()
	began := time.Now()
	p, err := c.CreatePurge(ctx, request, "")
	took = time.Since(began)
	applied = p.State == client.StateComplete && len(p.Nodes) > 0 &&
		!slices.ContainsFunc(p.Nodes, func(n client.Receipt) bool { return n.State != client.StateApplied })
	return took, applied, err
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
	fmt.Fprintf(&b, "%d objects, hits at each edge after %v\n", r.Objects, r.Fill.Round(time.Millisecond))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PURGE OF A\tFIRST\tMEDIAN\tMAX\tINCOMPLETE")
	for _, k := range r.Kinds {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", k.Name, ms(k.First), ms(k.Median), ms(k.Max), k.Incomplete)
	}
	_ = w.Flush() // a strings.Builder takes all
	fmt.Fprintf(&b, "%d reads behind purges, %d hits\n", r.Samples, r.Alive)
	return b.String()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
