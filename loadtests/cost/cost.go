package cost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"tiercache/control/client"
	"tiercache/loadtests/platform"
	"tiercache/loadtests/processes"
	originclient "tiercache/origin/client"
)

// Ports of `tiercache up`, before its offset. A node's admin listener is adminDistance higher.
const (
	controlPort   = 7070
	originPort    = 7080
	regionalPort  = 7090
	edgePort      = 8080
	adminDistance = 10_000
)

// What is measured, whatever the settings.
const (
	l1Size = 64 << 20

	// hot is how many objects are asked for where all are to be in L1.
	hot = 1000

	// writesEach and purgesEach are how many writes and purges there are for each request of the mix.
	writesEach = 0.01
	purgesEach = 0.001

	// rest is how long what a phase has caused may go on behind it, and still counts.
	rest = time.Second

	// minObjects are more than L1 holds.
	minObjects = 10_000
)

// Config of a measurement.
type Config struct {
	Program    string // tiercache
	DataDir    string // of the platform; made if there is none
	PortOffset int
	Objects    int
	Rates      []float64     // requests a second, of hits in L1; other cases have a part of it. Ascending
	Lasting    time.Duration // of each phase; a quarter of it is the warm-up
	Progress   io.Writer
}

// Validate reports a setting that Run would refuse.
func (c *Config) Validate() error {
	switch {
	case c.Objects < minObjects:
		return fmt.Errorf("%d objects: use %d or more, or all of them are in L1", c.Objects, minObjects)
	case len(c.Rates) == 0 || !slices.IsSorted(c.Rates) || c.Rates[0] < 100:
		return errors.New("give rates of 100 requests a second or more, the highest last")
	case c.Lasting < 2*time.Second:
		return fmt.Errorf("phases of %v: use 2s or more, or the ticks of /proc are too coarse", c.Lasting)
	}
	return nil
}

// run is a measurement under way.
type run struct {
	cfg      Config
	platform *platform.Platform
	set      *set
	reader   *reader // at the edge
	regional *reader // at the regional node
	origin   *originclient.Client
	control  *client.Client

	// What is counted on from phase to phase, so that no two of them ask for the same.
	drawn    uint64 // streams of random numbers
	cursor   int    // requests of CaseL2
	fills    int
	versions int
}

// Run starts the platform, measures and stops it.
func Run(ctx context.Context, cfg Config) (m Measured, err error) {
	if err := cfg.Validate(); err != nil {
		return m, err
	}
	began := time.Now()
	m = Measured{
		Date: began.UTC().Format("2006-01-02 15:04"), Machine: processes.Machine(), LoadBefore: processes.Load(), Seconds: cfg.Lasting.Seconds(),
		Objects: cfg.Objects, Sizes: sizes(), Hot: hot, L1: l1Size, Zipf: zipf, Seed: seed, PerTag: perTag, Writes: writesEach, Purges: purgesEach, Connections: connections,
	}
	r := &run{cfg: cfg, set: newSet(cfg.Objects)}
	m.Bytes = r.set.bytes()
	r.say("starting a platform")
	r.platform, err = platform.Start(ctx, platform.Config{
		Program: cfg.Program, DataDir: cfg.DataDir, PortOffset: cfg.PortOffset, Args: []string{"--l1-size", strconv.Itoa(l1Size)},
	})
	if err != nil {
		return m, err
	}
	defer r.platform.Stop()
	if err := r.connect(); err != nil {
		return m, err
	}
	defer r.reader.close()
	defer r.regional.close()
	defer r.origin.Close()
	if err := r.measure(ctx, &m); err != nil {
		return m, err
	}
	m.LoadAfter, m.Took = processes.Load(), time.Since(began).Seconds()
	return m, nil
}

// connect makes the clients.
func (r *run) connect() error {
	secret, err := platform.Token(r.cfg.DataDir)
	if err != nil {
		return err
	}
	if r.control, err = client.New(client.Config{URL: r.url(controlPort), Token: secret}); err != nil {
		return err
	}
	if r.origin, err = originclient.New(r.url(originPort), secret, workers); err != nil {
		return err
	}
	r.reader, r.regional = newReader(r.url(edgePort), r.set), newReader(r.url(regionalPort), r.set)
	return nil
}

func (r *run) url(port int) string {
	return "http://127.0.0.1:" + strconv.Itoa(port+r.cfg.PortOffset)
}

// measure goes through all phases. An idle platform comes first: its edge holds nothing yet.
func (r *run) measure(ctx context.Context, m *Measured) error {
	r.say("storing %d objects, %.0f MB", len(r.set.sizes), float64(m.Bytes)/1e6)
	if err := r.set.load(ctx, r.origin); err != nil {
		return fmt.Errorf("store the objects: %w", err)
	}
	if err := r.phase(ctx, m, CaseIdle, 0); err != nil {
		return err
	}
	r.say("opening %d connections", connections)
	var err error
	if m.ConnectionBytes, err = r.connectionBytes(ctx); err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	for _, c := range []Case{CaseL1, CaseL2, CaseMix, CaseFill, CaseWrite, CasePurge} {
		if c == CaseL1 || c == CaseMix {
			if err := r.reader.readAll(ctx); err != nil {
				return err
			}
		}
		for _, rate := range ratesOf(c, r.cfg.Rates) {
			if err := r.patiently(ctx, m, c, rate); err != nil {
				return fmt.Errorf("%s at %.0f a second: %w", c, rate, err)
			}
		}
	}
	return nil
}

// say tells of progress, with how busy the machine is.
func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.cfg.Progress, "%s  %s  (load %s)\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...), processes.Load())
}
