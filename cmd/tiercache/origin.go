package main

import (
	"github.com/spf13/cobra"

	"tiercache/origin"
	"tiercache/origin/postgres"
	"tiercache/shared/node"
	"tiercache/shared/runner"
)

func newOriginCommand() *cobra.Command {
	cfg := origin.DefaultConfig()
	cmd := nodeCommand(origin.Tier, &cfg, &cfg.Config, originParts)
	cmd.Short = "Run an origin node: objects in PostgreSQL"
	cmd.Long = "Run an origin node. It keeps objects in PostgreSQL, serves them to anybody by host and path,\nand takes writes at /v1/objects/ from those who have the token."
	return cmd
}

// originParts wires an origin over PostgreSQL.
func originParts(n *node.Node, cfg origin.Config) ([]runner.Part, error) {
	store, err := postgres.New(postgres.Config{
		URL:          cfg.PostgresURL,
		KeepVersions: cfg.KeepVersions,
		KeepAge:      cfg.KeepAge,
	}, n.Log, n.Health.Component("postgres", true))
	if err != nil {
		return nil, err
	}
	o, err := origin.New(cfg, store, n.Telemetry, n.Log)
	if err != nil {
		return nil, err
	}
	return []runner.Part{{Name: "postgres", Run: store.Run}, o.Part()}, nil
}
