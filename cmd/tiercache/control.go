package main

import (
	"github.com/spf13/cobra"

	"tiercache/control"
)

func newControlCommand() *cobra.Command {
	cfg := control.DefaultConfig()
	cmd := nodeCommand(control.Tier, &cfg, &cfg.Config, control.Build)
	cmd.Short = "Run a control node: the API to see and steer the fleet"
	cmd.Long = "Run a control node. It numbers what was committed to the control log in PostgreSQL, tells all nodes,\nknows which of them have applied it, and serves the API. Several may run beside each other."
	cmd.AddCommand(newSchemaCommand(), newBackupCommand(), newRestoreCommand())
	return cmd
}
