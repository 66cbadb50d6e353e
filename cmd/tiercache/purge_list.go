package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tiercache/control/client"
)

func newPurgeGet(access *controlAccess) *cobra.Command {
	return &cobra.Command{
		Use:   "get ID",
		Short: "Show a purge and what each node has made of it",
		Long:  "Show a purge and what each node has made of it.\nExit status: 0 it is complete, 3 some node is pending, 1 an error, 2 a wrong command line.",
		Args:  wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			purge, err := c.Purge(cmd.Context(), args[0])
			switch {
			case err != nil:
				return err
			case access.output == "json":
				err = access.print(cmd.OutOrStdout(), purge, nil)
			default:
				err = printPurge(cmd.OutOrStdout(), &purge)
			}
			if err == nil && purge.State == client.StatePending {
				return &exitError{code: exitPending, err: errPurgePending}
			}
			return err
		},
	}
}

func newPurgeWait(access *controlAccess) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait ID",
		Short: "Wait until each node has applied a purge or is fenced",
		Long: "Wait until each node has applied a purge or is fenced, and show the receipts as they come. Ctrl-C ends the waiting and\n" +
			"not the purge.\nExit status: 0 it is complete, 3 some node is pending, or control was away when asked, 1 an error, 2 a wrong command line.",
		Args: wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			ctx, cancel := within(cmd.Context(), timeout)
			defer cancel()
			purge, err := c.Purge(ctx, args[0])
			if err != nil {
				return err
			}
			f := follower{client: c, view: silentView{}}
			if access.output == "table" {
				f.view = newPurgeView(cmd.OutOrStdout())
			}
			purge, err = f.follow(ctx, purge)
			if err == nil && access.output != "table" {
				err = access.print(cmd.OutOrStdout(), purge, nil)
			}
			if err == nil && purge.State == client.StatePending {
				return &exitError{code: exitPending, err: errPurgePending}
			}
			return err
		},
	}
	bindTimeout(cmd.Flags(), &timeout, "how long to wait")
	return cmd
}

func newPurgeList(access *controlAccess) *cobra.Command {
	var before string
	var limit int
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the last purges, newest first",
		Args:  wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			c, err := access.client()
			if err != nil {
				return err
			}
			list, err := c.Purges(cmd.Context(), before, limit)
			if err != nil {
				return err
			}
			return access.print(cmd.OutOrStdout(), list, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "ID\tTIME\tEPOCH\tSTATE\tMODE\tTHINGS\tBY")
				for _, p := range list.Purges {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", printable(p.ID), shortTime(p.At), epochText(p.Epoch), printable(p.State), printable(p.Mode), p.Scopes, printable(p.By))
				}
			})
		},
	}
	cmd.Flags().StringVar(&before, "before", "", "only what is older than this purge")
	cmd.Flags().IntVar(&limit, "limit", 20, "how many, at most 1000")
	return cmd
}
