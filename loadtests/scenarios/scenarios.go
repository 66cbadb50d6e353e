package scenarios

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tiercache/loadtests/platform"
	"tiercache/loadtests/processes"
)

// Names of the scenarios, in the order in which they run.
var names = [...]string{"steady", "spike", "purges", "soak"}

// Names are those of all scenarios, in the order in which they run.
func Names() []string { return names[:] }

// Ports of `tiercache up`, before its offset.
const (
	controlPort = 7070
	originPort  = 7080
	edgePort    = 8080
)

const (
	edgeCount = 2

	// l1Size is less than the objects of a run with the default settings take, so that edges evict.
	l1Size = 32 << 20

	// allowedOver is what an edge may have beside 1.3 times its L1.
	allowedOver = 40 << 20

	// stopTime is how long k6 has for its summary after an interrupt.
	stopTime = 30 * time.Second

	// missed is k6's exit status when a threshold was missed.
	missed = 99
)

// Config of a run.
type Config struct {
	Program    string // tiercache
	K6         string
	Scripts    string // folder of the scripts
	DataDir    string // of the platform; made if there is none
	PortOffset int
	Only       []string // names of scenarios
	Rate       int      // reads a second of the steady mix; others have a part of it, or more
	Objects    int
	Lasting    time.Duration // of each scenario but the soak
	Soak       time.Duration
	Out        string // folder for the page and the reports
	Progress   io.Writer
}

// Validate reports a setting that Run would refuse.
func (c *Config) Validate() error {
	if len(c.Only) == 0 {
		return errors.New("name a scenario, of " + strings.Join(names[:], ", "))
	}
	for _, name := range c.Only {
		if !slices.Contains(names[:], name) {
			return fmt.Errorf("there is no scenario %q, use %s", name, strings.Join(names[:], ", "))
		}
	}
	switch {
	case c.Rate < 10 || c.Rate > 100_000:
		return fmt.Errorf("%d reads a second: use 10 to 100000", c.Rate)
	case c.Objects < 100 || c.Objects > 1_000_000:
		return fmt.Errorf("%d objects: use 100 to 1000000", c.Objects)
	case c.Lasting < 5*time.Second || c.Soak < 5*time.Second:
		return errors.New("scenarios of less than 5s show nothing")
	}
	return nil
}

// Run starts a platform, puts it under one scenario after the other and writes the page, index.html, into cfg.Out. Its results
// are valid when it returns an error as well, as far as it came.
func Run(ctx context.Context, cfg Config) (r Results, err error) {
	if err := cfg.Validate(); err != nil {
		return r, err
	}
	r = Results{Date: time.Now().UTC().Format("2006-01-02 15:04"), Machine: processes.Machine(), Rate: cfg.Rate, Objects: cfg.Objects, Edges: edgeCount, L1: l1Size}
	if err := os.MkdirAll(cfg.Out, 0o755); err != nil {
		return r, err
	}
	say(cfg.Progress, "starting a platform with %d edges", edgeCount)
	p, err := platform.Start(ctx, platform.Config{
		Program: cfg.Program, DataDir: cfg.DataDir, PortOffset: cfg.PortOffset,
		Args: []string{"--edges", strconv.Itoa(edgeCount), "--l1-size", strconv.Itoa(l1Size)},
	})
	if err != nil {
		return r, err
	}
	defer p.Stop()
	token, err := platform.Token(cfg.DataDir)
	if err != nil {
		return r, err
	}
	for _, name := range names {
		if !slices.Contains(cfg.Only, name) {
			continue
		}
		say(cfg.Progress, "%s, for %v and the time that it takes to store the objects", name, cfg.lasting(name))
		s, err := cfg.scenario(ctx, name, token, p.PID())
		if err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
		r.Scenarios = append(r.Scenarios, s)
		if err := r.save(cfg.Out); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (c *Config) lasting(name string) time.Duration {
	if name == "soak" {
		return c.Soak
	}
	return c.Lasting
}

// scenario runs k6 once, and watches the edges that pid has started. That thresholds were missed is no error: the results tell it.
func (c *Config) scenario(ctx context.Context, name, token string, pid int) (Scenario, error) {
	file := filepath.Join(c.Out, name+".json")
	cmd := exec.CommandContext(ctx, c.K6, "run", "--quiet", "--no-color", "--address", "", filepath.Join(c.Scripts, name+".js"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTime
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal reaches it once, by way of ctx
	cmd.Stdout, cmd.Stderr = c.Progress, c.Progress
	cmd.Env = append(os.Environ(), c.env(name, token, file)...)
	watch := watchMemory(pid)
	err := cmd.Run()
	memory := watch.stop()
	var status *exec.ExitError
	if errors.As(err, &status) && status.ExitCode() == missed && ctx.Err() == nil {
		err = nil
	}
	if err != nil {
		return Scenario{}, fmt.Errorf("k6: %w", errors.Join(ctx.Err(), err))
	}
	summary, err := readSummary(file)
	if err != nil {
		return Scenario{}, err
	}
	return newScenario(name, c.lasting(name), &summary, memory), nil
}

// env has the token as well: arguments of processes can be read by everybody on a machine.
func (c *Config) env(name, token, file string) []string {
	at := func(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port+c.PortOffset) }
	var edges []string
	for i := range edgeCount {
		edges = append(edges, at(edgePort+i))
	}
	return []string{
		"EDGES=" + strings.Join(edges, ","), "ORIGIN=" + at(originPort), "CONTROL=" + at(controlPort), "TOKEN=" + token,
		"RATE=" + strconv.Itoa(c.Rate), "OBJECTS=" + strconv.Itoa(c.Objects), "SUMMARY=" + file,
		"SECONDS=" + strconv.Itoa(int(c.lasting(name).Seconds())),
		"K6_NO_USAGE_REPORT=true", "K6_WEB_DASHBOARD=true", "K6_WEB_DASHBOARD_PORT=-1", "K6_WEB_DASHBOARD_EXPORT=" + filepath.Join(c.Out, name+".html"),
	}
}

func say(w io.Writer, format string, values ...any) {
	fmt.Fprintf(w, "load: "+format+"\n", values...)
}
