package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tiercache/origin"
	"tiercache/origin/postgres"
	"tiercache/shared/bus"
	"tiercache/shared/config"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
)

// flushTimeout bounds the sending of the last traces after a node has drained.
const flushTimeout = 3 * time.Second

func newOriginCommand() *cobra.Command {
	cfg := origin.DefaultConfig()
	var file string
	cmd := &cobra.Command{
		Use:   "origin",
		Short: "Run an origin node: objects in PostgreSQL",
		Long:  "Run an origin node. It keeps objects in PostgreSQL, serves them to anybody by host and path,\nand takes writes at /v1/objects/ from those who have the token.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(&cfg, config.Sources{File: file, Environ: os.Environ(), Flags: cmd.Flags()}); err != nil {
				return err
			}
			ctx, stop := runner.Signals(cmd.Context())
			defer stop()
			return runOrigin(ctx, cfg)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "YAML file with the settings below; dashes become underscores there")
	config.BindFlags(cmd.Flags(), &cfg)
	return cmd
}

// runOrigin wires an origin node and runs it until ctx ends.
func runOrigin(ctx context.Context, cfg origin.Config) (err error) {
	id := telemetry.Resource{Tier: "origin", Node: cfg.Node, Region: cfg.Region, Version: version}
	log, err := telemetry.NewLogger(os.Stderr, cfg.LogLevel, cfg.LogFormat, id)
	if err != nil {
		return err
	}
	tel, err := telemetry.New(ctx, cfg.Config, id)
	if err != nil {
		return err
	}
	defer func() {
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if flushErr := tel.Shutdown(flush); flushErr != nil {
			err = errors.Join(err, fmt.Errorf("flush telemetry: %w", flushErr))
		}
	}()
	health := runner.NewHealth()
	parts, err := originParts(cfg, log, tel, health)
	if err != nil {
		return err
	}
	return runner.Run(ctx, runner.Options{Log: log, DrainTimeout: cfg.DrainTimeout, Health: health}, parts...)
}

// originParts are the node's parts in the order in which they start; they stop in reverse.
func originParts(cfg origin.Config, log *slog.Logger, tel *telemetry.Telemetry, health *runner.Health) ([]runner.Part, error) {
	store, err := postgres.New(postgres.Config{
		URL:          cfg.PostgresURL,
		KeepVersions: cfg.KeepVersions,
		KeepAge:      cfg.KeepAge,
	}, log, health.Component("postgres", true))
	if err != nil {
		return nil, err
	}
	node, err := origin.New(cfg, store, tel, log)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	return []runner.Part{
		runner.Admin(cfg.AdminListen, health, tel.MetricsHandler()),
		{Name: "postgres", Run: store.Run},
		node.Part(),
		bus.Announce(bus.Config{URL: cfg.NATSURL, SeedFile: cfg.NATSSeedFile, Name: cfg.Node, Role: "origin", Log: log, Health: health},
			func() bus.Hello {
				return bus.Hello{
					Node: cfg.Node, Tier: "origin", Region: cfg.Region, Addr: cfg.Listen, Admin: cfg.AdminListen,
					Version: version, Started: started, Ready: health.Report().Ready,
				}
			}),
	}, nil
}
