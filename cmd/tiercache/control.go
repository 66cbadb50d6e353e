package main

import (
	"github.com/spf13/cobra"

	"tiercache/control"
)

func newControlCommand() *cobra.Command {
	cfg := control.DefaultConfig()
	cmd := nodeCommand(control.Tier, &cfg, &cfg.Config, control.Build)
	cmd.Short = "Run a control node: the API to see and steer the fleet"
	return cmd
}
