package main

import (
	"github.com/spf13/cobra"

	"tiercache/edge"
)

func newEdgeCommand() *cobra.Command {
	cfg := edge.DefaultConfig()
	cmd := nodeCommand(edge.Tier, &cfg, &cfg.Config, edge.Build)
	cmd.Short = "Run an edge node: what clients talk to, with L1 in memory"
	cmd.Long = "Run an edge node. It serves clients from its memory and fetches what is missing from the\nregional nodes. Service documents come from the file given by --config."
	return cmd
}
