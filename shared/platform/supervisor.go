package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// SupervisorConfig configures a Supervisor.
type SupervisorConfig struct {
	// LogDir receives one log file a service, each of bounded size.
	LogDir string
	// Say tells people one line about a service. It must be safe to call from several goroutines.
	Say func(service, line string)
	// StopTimeout bounds the stop of one stage; what has not ended by then is killed. 0: 15 s.
	StopTimeout time.Duration
}

// Supervisor keeps a fixed set of services running: starts all of them together, starts again what dies,
// and stops them stage by stage.
type Supervisor struct {
	cfg     SupervisorConfig
	keepers []*keeper
}

// NewSupervisor takes the services; Run starts them.
func NewSupervisor(cfg SupervisorConfig, services ...Service) *Supervisor {
	if cfg.StopTimeout == 0 {
		cfg.StopTimeout = 15 * time.Second
	}
	s := &Supervisor{cfg: cfg}
	for _, service := range services {
		s.keepers = append(s.keepers, newKeeper(service, cfg))
	}
	return s
}

// Run starts the services and keeps them running until ctx ends or one of them is hopeless; then it stops
// all of them and returns nil, or what was hopeless. When it returns, no child is left.
func (s *Supervisor) Run(ctx context.Context) error {
	if err := os.MkdirAll(s.cfg.LogDir, 0o700); err != nil {
		return fmt.Errorf("make the log folder: %w", err)
	}
	// Keepers end by their stop channels, in order, never by ctx: that would stop all of them at once.
	kept, give := errgroup.WithContext(context.WithoutCancel(ctx))
	for _, k := range s.keepers {
		kept.Go(k.run)
	}
	select {
	case <-ctx.Done():
	case <-give.Done():
	}
	s.stopByStage()
	return kept.Wait()
}

func (s *Supervisor) stopByStage() {
	stages := map[int][]*keeper{}
	for _, k := range s.keepers {
		stages[k.service.Stage] = append(stages[k.service.Stage], k)
	}
	order := make([]int, 0, len(stages))
	for stage := range stages {
		order = append(order, stage)
	}
	slices.Sort(order)
	slices.Reverse(order)
	for _, stage := range order {
		for _, k := range stages[stage] {
			close(k.stop)
		}
		for _, k := range stages[stage] {
			<-k.gone
		}
	}
}

// AwaitReady returns once each service has been ready, or when ctx ends with one line for each that has
// not and why. It returns at once when Run gives up.
func (s *Supervisor) AwaitReady(ctx context.Context) error {
	var late []error
	for _, k := range s.keepers {
		select {
		case <-k.ready:
			continue
		case <-k.gone:
		case <-ctx.Done():
		}
		select {
		case <-k.ready:
		default:
			late = append(late, fmt.Errorf("%s is not ready: %s (log: %s)", k.service.Name, k.why(), k.logPath))
		}
	}
	return errors.Join(late...)
}

// Late is a service that has not been ready yet, and why.
type Late struct{ Service, Why string }

// Late lists the services that have not been ready yet, in the order in which they were given.
func (s *Supervisor) Late() []Late {
	var late []Late
	for _, k := range s.keepers {
		if !k.wasReady() {
			late = append(late, Late{k.service.Name, k.why()})
		}
	}
	return late
}

// Pid is the process id of the service's child that runs or ran last; 0 when there was none.
func (s *Supervisor) Pid(service string) int {
	for _, k := range s.keepers {
		if k.service.Name == service {
			return k.pid()
		}
	}
	return 0
}
