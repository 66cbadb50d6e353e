// Command tiercache is the one binary of the platform: every tier, the tools that talk to them and
// `up`, which runs all of it on one machine. This package holds subcommands and wiring, nothing else.
// Start reading at newRootCommand; each subcommand is one file named after it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// version is set by the linker (-X main.version=...).
var version = "dev"

func main() { os.Exit(run(newRootCommand(), os.Args[1:])) }

// run returns the process's exit status.
func run(root *cobra.Command, args []string) int {
	ctx := context.Background()
	if cmd, _, err := root.Find(args); err == nil && !ownsSignals(cmd) {
		interrupted, stop := interruptible(ctx)
		defer stop()
		ctx = interrupted
	}
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	err = interruption(ctx, err)
	fmt.Fprintf(os.Stderr, "%s: %v\n", cmd.CommandPath(), err)
	return exitCode(err)
}

// newRootCommand lists every subcommand.
func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "tiercache",
		Short:         "A self-hosted, multi-tier HTTP cache",
		Long:          "tiercache is a self-hosted, multi-tier HTTP cache: edges with an in-memory L1,\nregional shields with a Redis L2, an origin in PostgreSQL and a control plane.\nRun `tiercache up` for the whole platform on this machine.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newUpCommand())
	root.AddCommand(newEdgeCommand())
	root.AddCommand(newRegionalCommand())
	root.AddCommand(newControlCommand())
	root.AddCommand(newStatusCommand(), newDrainCommand())
	root.AddCommand(newNATSCommand())
	root.AddCommand(newOriginCommand())
	root.AddCommand(newObjectCommand())
	root.AddCommand(newPurgeCommand())
	root.AddCommand(newServiceCommand())
	root.AddCommand(newWatchCommand())
	root.AddCommand(newTokenCommand())
	root.AddCommand(newEventsCommand())
	root.AddCommand(newActivityCommand())
	root.AddCommand(newAuditCommand())
	root.AddCommand(newVersionCommand())
	root.InitDefaultCompletionCmd() // now, so that it is refused what the other groups are
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	refuseUnknown(root)
	return root
}
