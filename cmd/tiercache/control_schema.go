package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"tiercache/shared/schema"
)

// postgresVariable is where control's own setting of that name comes from too.
const postgresVariable = "TIERCACHE_POSTGRES_URL"

func newSchemaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Install, upgrade and remove the schema tiercache of a database",
		Long: "Install, upgrade and remove the schema tiercache: the control log, what control keeps beside it, and the functions\n" +
			"that applications call. Control and the origin do it by themselves when they start, as far as their user may;\n" +
			"these commands are for a user that may more.",
	}
	var location string
	cmd.PersistentFlags().StringVar(&location, "postgres-url", "", "URL of the database (default $"+postgresVariable+")")
	cmd.AddCommand(newSchemaInstall(&location), newSchemaUpgrade(&location), newSchemaRemove(&location))
	return cmd
}

func newSchemaInstall(location *string) *cobra.Command {
	return &cobra.Command{
		Use:   "install",
		Short: "Make the schema and the roles tiercache_writer and tiercache_reader, or bring them up to date",
		Long: "Make the schema and the roles tiercache_writer and tiercache_reader, or bring them up to date. Grant\n" +
			"tiercache_writer to who may purge and watch tables, tiercache_reader to who may look at what is purged. Without the\n" +
			"right to make roles it says so and does the rest.",
		Example: "  tiercache control schema install --postgres-url postgres://admin@db.example/shop",
		Args:    wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return bringUpToDate(cmd, *location, schema.Install)
		},
	}
}

func newSchemaUpgrade(location *string) *cobra.Command {
	return &cobra.Command{
		Use:     "upgrade",
		Short:   "Bring a schema that is there up to date",
		Example: "  tiercache control schema upgrade --postgres-url postgres://admin@db.example/shop",
		Args:    wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return bringUpToDate(cmd, *location, schema.Upgrade)
		},
	}
}

func bringUpToDate(cmd *cobra.Command, location string, do func(context.Context, string) (schema.Installed, error)) error {
	location, err := findLocation(location)
	if err != nil {
		return err
	}
	in, err := do(cmd.Context(), location)
	if err != nil {
		return err
	}
	warnAll(cmd.ErrOrStderr(), in.Problems)
	before := fmt.Sprintf("it was %d", in.From)
	if in.From == 0 {
		before = "it was not there"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "schema tiercache: version %d, %s\n", in.To, before)
	return err
}

func findLocation(given string) (string, error) {
	if given == "" {
		given = os.Getenv(postgresVariable)
	}
	if given == "" {
		return "", usage(errors.New("give the database with --postgres-url or $" + postgresVariable))
	}
	return given, nil
}

func warnAll(w io.Writer, texts []string) {
	for _, text := range texts {
		fmt.Fprintf(w, "warning: %s\n", text)
	}
}

func newSchemaRemove(location *string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "remove",
		Short: "Remove the schema, the triggers of watched tables and the roles",
		Long: "Remove the schema tiercache with all that is in it: the control log, services, tokens, the record of purges and of\n" +
			"who did what; the triggers of watched tables; the roles, unless something else depends on them. It is all or\n" +
			"nothing. Objects of the origin stay. It refuses while a control node or an origin is connected, or control has\n" +
			"heard of a member within the last 10 s, and when something of somebody else's, such as a view, depends on it.",
		Example: "  tiercache control schema remove --yes --postgres-url postgres://admin@db.example/shop",
		Args:    wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return usage(errors.New("it removes the control log and all services and tokens for good: say --yes"))
			}
			location, err := findLocation(*location)
			if err != nil {
				return err
			}
			kept, err := schema.Remove(cmd.Context(), location)
			if err != nil {
				return err
			}
			warnAll(cmd.ErrOrStderr(), kept)
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "the schema tiercache is removed")
			return err
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "really remove it")
	return cmd
}
