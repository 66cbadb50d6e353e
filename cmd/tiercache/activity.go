package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newActivityCommand() *cobra.Command {
	var access controlAccess
	var before int64
	var limit int
	cmd := &cobra.Command{
		Use:   "activity",
		Short: "Show who did what, newest first",
		Args:  wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			if before < 0 {
				return usage(fmt.Errorf("--before %d: IDs are above 0", before))
			}
			c, err := access.client()
			if err != nil {
				return err
			}
			list, err := c.Activity(cmd.Context(), before, limit)
			if err != nil {
				return err
			}
			return access.print(cmd.OutOrStdout(), list, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "ID\tTIME\tWHO\tFROM\tACTION\tSUBJECT\tDETAIL")
				for _, a := range list.Activities {
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", a.ID, shortTime(a.At), printable(a.Who), printable(a.From),
						printable(a.Action), printable(a.Subject), printable(a.Detail))
				}
			})
		},
	}
	access.bind(cmd.Flags(), "admin")
	cmd.Flags().Int64Var(&before, "before", 0, "only what is older than this ID")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many, at most 1000")
	return cmd
}
