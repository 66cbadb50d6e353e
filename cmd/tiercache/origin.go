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
	if err := o.ReadTokens(); err != nil {
		return nil, err
	}
	follow, err := originLog(n, o)
	if err != nil {
		return nil, err
	}
	store.Sequenced = o.Publish
	return []runner.Part{follow, {Name: "postgres", Run: store.Run}, o.Part()}, nil
}

// originLog joins the origin to the control log: it publishes what it sequences, and takes the log's tokens.
// It is no member of the fleet: what it serves it has read from the database itself.
func originLog(n *node.Node, o *origin.Origin) (runner.Part, error) {
	b, err := n.Bus()
	if err != nil {
		return runner.Part{}, err
	}
	if b != nil {
		o.PublishLog = b.PublishLog
	}
	f, part, err := n.Follower(node.Follow{StandAlone: true})
	if err != nil {
		return runner.Part{}, err
	}
	if f != nil {
		f.OnTokens(o.SetTokens)
	}
	return part, nil
}
