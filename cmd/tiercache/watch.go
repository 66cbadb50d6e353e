package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tiercache/control/client"
)

func newWatchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Watch tables, so that each change of a row purges its tags",
		Long: "Watch tables of the database that holds the control log. Each change of a row, by whatever program, purges the\n" +
			"tags that the row had and has, when the transaction commits. Control's own user in PostgreSQL must own the table;\n" +
			"else call tiercache.watch in SQL, as its owner.",
	}
	var access controlAccess
	access.bind(cmd.PersistentFlags(), "admin")
	cmd.AddCommand(newWatchAdd(&access), newWatchList(&access), newWatchRemove(&access))
	return cmd
}

func newWatchAdd(access *controlAccess) *cobra.Command {
	var service string
	cmd := &cobra.Command{
		Use:   "add TABLE TEMPLATE...",
		Short: "Watch a table, in place of the watch that it may have",
		Long: "Watch a table, in place of the watch that it may have. In a template, {column} stands for the column's value, {{\n" +
			"and }} for braces. A row without a value, or with a tag longer than 1024 bytes, purges the table's own tag, such as\n" +
			"table:public.products. Partitions are watched too; repeat the command for those that come later.",
		Example: "  tiercache watch add public.products product:{id}\n" +
			"  tiercache watch add public.prices product:{product_id} list:{list} --service shop",
		Args: wantArgs(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			w, err := c.AddWatch(cmd.Context(), client.NewWatch{Table: args[0], Templates: args[1:], Service: service})
			if err != nil {
				return err
			}
			return access.print(cmd.OutOrStdout(), w, func(t *tabwriter.Writer) {
				fmt.Fprintf(t, "%s is watched; rows without a tag purge %s\n", printable(w.Table), printable(w.CatchAll))
				if w.Problem != "" {
					fmt.Fprintln(t, printable(w.Problem))
				}
			})
		},
	}
	cmd.Flags().StringVar(&service, "service", "", "purge the tags of this service alone (default: of all)")
	return cmd
}

func newWatchList(access *controlAccess) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the watched tables",
		Args:  wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			list, err := c.Watches(cmd.Context())
			if err != nil {
				return err
			}
			return access.print(cmd.OutOrStdout(), list, func(t *tabwriter.Writer) {
				fmt.Fprintln(t, "TABLE\tSERVICE\tTEMPLATES\tCATCH-ALL\tPROBLEM")
				for _, w := range list.Watches {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", printable(w.Table), or(w.Service, "all"),
						printable(strings.Join(w.Templates, " ")), printable(w.CatchAll), or(printable(w.Problem), "-"))
				}
			})
		},
	}
}

// or is text, or instead of none another one.
func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func newWatchRemove(access *controlAccess) *cobra.Command {
	return &cobra.Command{
		Use:     "rm TABLE",
		Short:   "End the watch of a table",
		Example: "  tiercache watch rm public.products",
		Args:    wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			if err := c.RemoveWatch(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is not watched any more\n", printable(args[0]))
			return err
		},
	}
}
