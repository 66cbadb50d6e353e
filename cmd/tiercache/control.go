package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tiercache/control"
	"tiercache/shared/config"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
)

// flushTimeout bounds the sending of the last traces after a node has drained.
const flushTimeout = 3 * time.Second

func newControlCommand() *cobra.Command {
	cfg := control.DefaultConfig()
	cfg.Version = version
	var file string
	cmd := &cobra.Command{
		Use:   "control",
		Short: "Run a control node: the API to see and steer the fleet",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(&cfg, config.Sources{File: file, Environ: os.Environ(), Flags: cmd.Flags()}); err != nil {
				return err
			}
			return runControl(cmd.Context(), cfg)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "YAML file with the settings below; dashes become underscores there")
	config.BindFlags(cmd.Flags(), &cfg)
	return cmd
}

func runControl(ctx context.Context, cfg control.Config) (err error) {
	ctx, cancel := runner.Signals(ctx)
	defer cancel()
	log, err := telemetry.NewLogger(os.Stderr, cfg.LogLevel, cfg.LogFormat, cfg.Resource())
	if err != nil {
		return err
	}
	tel, err := telemetry.New(ctx, cfg.Config, cfg.Resource())
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
	node, err := control.New(cfg, tel, log)
	if err != nil {
		return err
	}
	return node.Run(ctx)
}
