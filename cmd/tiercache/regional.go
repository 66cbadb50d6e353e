package main

import (
	"github.com/spf13/cobra"

	"tiercache/regional"
)

func newRegionalCommand() *cobra.Command {
	cfg := regional.DefaultConfig()
	cmd := nodeCommand(regional.Tier, &cfg, &cfg.Config, regional.Build)
	cmd.Short = "Run a regional node: the shield of a region, with L2 in Redis"
	cmd.Long = "Run a regional node. It stands between the edges and the upstreams, keeps what it fetched in an\nL2 that the region shares, and asks an upstream once for what all edges want. Service documents come\nfrom the control log; until it has any, from the file given by --config."
	return cmd
}
