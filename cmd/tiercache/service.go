package main

import (
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

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
			"Exit status: 0 done; 1 an error; 2 a wrong command line; 3 activated, but some node is pending.",
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

// activation is how a command makes the fleet follow a version.
type activation struct {
	wait    bool
	timeout time.Duration
}

func newServiceActivate(access *controlAccess) *cobra.Command {
	var a activation
	cmd := &cobra.Command{
		Use:   "activate NAME [VERSION]",
		Short: "Make the fleet follow a version: the newest, or the one given",
		Args:  wantArgs(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			which := ""
			if len(args) == 2 {
				which = args[1]
			}
			s, err := c.Service(cmd.Context(), args[0], which)
			if err != nil {
				return err
			}
			return a.run(cmd, access, c, s.Name, s.Version)
		},
	}
	cmd.Flags().BoolVar(&a.wait, "wait", false, "wait until every node follows it")
	cmd.Flags().DurationVar(&a.timeout, "timeout", defaultWait, "how long to wait, at most "+maxWait.String())
	return cmd
}

func (a *activation) run(cmd *cobra.Command, access *controlAccess, c *client.Client, name string, version int) error {
	if a.timeout <= 0 || a.timeout > maxWait {
		return usage(fmt.Errorf("--timeout %v is not above 0 and up to %v", a.timeout, maxWait))
	}
	wait := time.Duration(0)
	if a.wait {
		wait = a.timeout
	}
	done, err := c.ActivateService(cmd.Context(), name, version, wait)
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
		return &exitError{code: exitPending, err: errPending}
	}
	return err
}
