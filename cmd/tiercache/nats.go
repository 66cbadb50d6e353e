package main

import (
	"os"

	"github.com/spf13/cobra"

	"tiercache/shared/bus/natsd"
	"tiercache/shared/runner"
	"tiercache/shared/telemetry"
)

// newNATSCommand is the embedded NATS server that `up` runs as a child process.
func newNATSCommand() *cobra.Command {
	var cfg natsd.Config
	var level, format string
	cmd := &cobra.Command{
		Use:    "nats",
		Short:  "Run the embedded NATS server",
		Hidden: true,
		Args:   wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := telemetry.NewLogger(os.Stderr, level, format, telemetry.Resource{Tier: "nats", Node: "nats"})
			if err != nil {
				return err
			}
			cfg.Log = log
			server, err := natsd.New(cfg)
			if err != nil {
				return badSettings(err)
			}
			ctx, cancel := runner.Signals(cmd.Context())
			defer cancel()
			return runner.Run(ctx, runner.Options{Log: log}, runner.Part{Name: "nats", Run: server.Run})
		},
	}
	takesSignals(cmd)
	cmd.Flags().StringVar(&cfg.Listen, "listen", natsd.DefaultListen, "host:port for clients")
	cmd.Flags().StringVar(&cfg.Credentials, "credentials", "", "directory of the roles' keys; missing ones are created")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	cmd.Flags().StringVar(&format, "log-format", "text", "text or json")
	return cmd
}
