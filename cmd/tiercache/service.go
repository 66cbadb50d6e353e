package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tiercache/control/client"
)

func newServiceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Service documents: check, store, activate, list",
		Long: "Service documents say which hosts a service answers for, where its responses come from and how long they\n" +
			"are kept. `put` stores a new version, which changes nothing; `activate` makes the whole fleet follow a\n" +
			"version, the newest or, to go back, an earlier one.\n" +
			"Exit status: 0 done, and with --wait every node follows the version or is fenced; 1 an error; 2 a wrong command\n" +
			"line; 3 with --wait: activated, but some node is pending.",
	}
	var access controlAccess
	access.bind(cmd.PersistentFlags(), "read, or admin for changes")
	cmd.AddCommand(newServiceGet(&access), newServicePut(&access), newServiceValidate(&access),
		newServiceActivate(&access), newServiceHistory(&access), newServiceDiff(&access), newServiceList(&access))
	return cmd
}

func newServiceGet(access *controlAccess) *cobra.Command {
	var version string
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Print a service document",
		Args:  wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			s, err := c.Service(cmd.Context(), args[0], version)
			if err != nil {
				return err
			}
			if access.output == "json" {
				return access.print(cmd.OutOrStdout(), s, nil)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), s.Source)
			return err
		},
	}
	cmd.Flags().StringVar(&version, "version", "", "a number, or active (default: the newest)")
	return cmd
}

func newServiceList(access *controlAccess) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the services",
		Args:  wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			list, err := c.Services(cmd.Context())
			if err != nil {
				return err
			}
			return access.print(cmd.OutOrStdout(), list, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "NAME\tACTIVE\tNEWEST\tSTORED\tBY")
				for _, s := range list.Services {
					fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", printable(s.Name), versionText(s.ActiveVersion), s.Version, shortTime(s.CreatedAt), printable(s.CreatedBy))
				}
			})
		},
	}
}

func versionText(version int) string {
	if version == 0 {
		return "-"
	}
	return strconv.Itoa(version)
}

func newServiceHistory(access *controlAccess) *cobra.Command {
	return &cobra.Command{
		Use:   "history NAME",
		Short: "List the versions of a service document, newest first",
		Args:  wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			list, err := c.ServiceVersions(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return access.print(cmd.OutOrStdout(), list, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "VERSION\tSTORED\tBY\tACTIVATED\tSTATE")
				for _, s := range list.Services {
					state := ""
					if s.Active {
						state = "active"
					}
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", s.Version, shortTime(s.CreatedAt), printable(s.CreatedBy), shortTime(s.ActivatedAt), state)
				}
			})
		},
	}
}

func newServiceDiff(access *controlAccess) *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "diff NAME",
		Short: "Show what differs between two versions",
		Args:  wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			d, err := c.DiffService(cmd.Context(), args[0], from, to)
			if err != nil {
				return err
			}
			if access.output == "json" {
				return access.print(cmd.OutOrStdout(), d, nil)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), d.Diff)
			return err
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "a version; 0: no document (default: the active one)")
	cmd.Flags().StringVar(&to, "to", "", "a version, or active (default: the newest)")
	return cmd
}

// errActivationPending is what an activation ends with that some node has not applied in time; the lines say which.
var errActivationPending = errors.New("activated, but not every node follows it yet")

// activation is how a command makes the fleet follow a version.
type activation struct{ waiting }

func newServiceActivate(access *controlAccess) *cobra.Command {
	var a activation
	cmd := &cobra.Command{
		Use:   "activate NAME [VERSION]",
		Short: "Make the fleet follow a version: the newest, or the one given",
		Example: "  tiercache service activate shop --wait\n" +
			"  tiercache service activate shop 3",
		Args: wantArgs(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			which := ""
			if len(args) == 2 {
				which = args[1]
			}
			ctx, cancel := within(cmd.Context(), a.timeout)
			defer cancel()
			s, err := c.Service(ctx, args[0], which)
			if err != nil {
				return err
			}
			return a.run(ctx, cmd, access, c, s.Name, s.Version)
		},
	}
	a.bind(cmd.Flags(), "wait until every node follows it or is fenced")
	return cmd
}

// run activates within the time of ctx.
func (a *activation) run(ctx context.Context, cmd *cobra.Command, access *controlAccess, c *client.Client, name string, version int) error {
	done, err := c.ActivateService(ctx, name, version, a.left(ctx))
	if errors.Is(err, client.ErrUnreachable) {
		err = fmt.Errorf("%w\nit may be active: `tiercache service history %s` tells, and to repeat the command does no harm", err, printable(name))
	}
	if err != nil {
		return err
	}
	err = access.print(cmd.OutOrStdout(), done, func(w *tabwriter.Writer) {
		if done.Changed {
			fmt.Fprintf(w, "%s version %d is active as of epoch %s\n", printable(name), version, epochText(done.Epoch))
		} else {
			fmt.Fprintf(w, "%s version %d was active already\n", printable(name), version)
		}
		for _, r := range done.Nodes {
			fmt.Fprintln(w, receiptLine(&r))
		}
	})
	if err == nil && a.wait && done.State != client.StateComplete {
		return &exitError{code: exitPending, err: errActivationPending}
	}
	return err
}
