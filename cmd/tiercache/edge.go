package main

import (
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"tiercache/edge"
	"tiercache/shared/node"
	"tiercache/shared/runner"
)

// edgeOverhead is what the heap of an edge's process needs beside L1's: connections, fills in flight, the index of
// purges. Its code, which the collector does not count, is resident beside it; with it the process stays below 1.3 times
// l1_size and 40 MiB.
const edgeOverhead = 8 << 20

func newEdgeCommand() *cobra.Command {
	cfg := edge.DefaultConfig()
	build := func(n *node.Node, cfg edge.Config) ([]runner.Part, error) {
		limitMemory(int64(cfg.L1Size))
		return edge.Build(n, cfg)
	}
	cmd := nodeCommand(edge.Tier, &cfg, &cfg.Config, build)
	cmd.Short = "Run an edge node: what clients talk to, with L1 in memory"
	cmd.Long = "Run an edge node. It serves clients from its memory and fetches what is missing from the\nregional nodes. Service documents come from the control log; until it has any, from the file given by --config."
	return cmd
}

// limitMemory makes the collector keep the heap near L1's budget: by its default it would let a full L1
// grow the process to twice that. The limit is soft, so a burst costs CPU and not the process. GOMEMLIMIT
// wins where it is set.
func limitMemory(l1Size int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(l1Size + l1Size/4 + edgeOverhead)
	}
}
