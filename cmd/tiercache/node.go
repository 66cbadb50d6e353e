package main

import (
	"os"

	"github.com/spf13/cobra"

	"tiercache/shared/config"
	"tiercache/shared/node"
	"tiercache/shared/runner"
)

// nodeCommand makes the command that runs a node of a tier. cfg holds the defaults; common is the part
// of it that all nodes share.
func nodeCommand[C any](tier string, cfg *C, common *node.Config, build func(*node.Node, C) ([]runner.Part, error)) *cobra.Command {
	common.Version = version
	var file string
	cmd := &cobra.Command{
		Use:  tier,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.Load(cfg, config.Sources{File: file, Environ: os.Environ(), Flags: cmd.Flags()}); err != nil {
				return badSettings(err)
			}
			built := false
			err := node.Main(cmd.Context(), tier, *common, func(n *node.Node) ([]runner.Part, error) {
				parts, err := build(n, *cfg)
				built = err == nil
				return parts, err
			})
			if err != nil && !built { // nothing has started: it is what the settings say, and what they name
				return badSettings(err)
			}
			return err
		},
	}
	takesSignals(cmd)
	cmd.Flags().StringVar(&file, "config", "", "YAML file with the settings below; dashes become underscores there")
	config.BindFlags(cmd.Flags(), cfg)
	return cmd
}
