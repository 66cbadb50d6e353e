package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tiercache/control/client"
)

func newTokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke tokens",
		Long: "Make, list and revoke tokens. Every node learns of them through the control log, and checks them by\n" +
			"itself. The secret of a token is shown when it is made, and kept nowhere.",
	}
	var access controlAccess
	access.bind(cmd.PersistentFlags(), "admin")
	cmd.AddCommand(newTokenCreate(&access), newTokenList(&access), newTokenRevoke(&access))
	return cmd
}

func newTokenCreate(access *controlAccess) *cobra.Command {
	var roles, services []string
	cmd := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Make a token and print its secret",
		Example: "  tiercache token create deploy --role write --role purge\n" +
			"  tiercache token create shop-ci --role purge --service shop",
		Args: wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(roles) == 0 {
				return usage(fmt.Errorf("give the token at least one --role: read, write, purge or admin"))
			}
			c, err := access.client()
			if err != nil {
				return err
			}
			t, err := c.CreateToken(cmd.Context(), client.NewToken{Name: args[0], Roles: roles, Services: services})
			if err != nil {
				return err
			}
			if access.output == "table" {
				fmt.Fprintf(cmd.ErrOrStderr(), "token %s for %s, role %s; its secret is not shown again:\n", t.ID, printable(t.Name), strings.Join(t.Roles, ","))
			}
			return access.print(cmd.OutOrStdout(), t, func(w *tabwriter.Writer) { fmt.Fprintln(w, t.Secret) })
		},
	}
	cmd.Flags().StringSliceVar(&roles, "role", nil, "read, write, purge or admin; may be repeated")
	cmd.Flags().StringSliceVar(&services, "service", nil, "limit the token to this service; may be repeated")
	return cmd
}

func newTokenList(access *controlAccess) *cobra.Command {
	var after string
	var limit int
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the tokens: the valid ones first, each kind newest first",
		Args:  wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			c, err := access.client()
			if err != nil {
				return err
			}
			list, err := c.Tokens(cmd.Context(), after, limit)
			if err != nil {
				return err
			}
			err = access.print(cmd.OutOrStdout(), list, func(w *tabwriter.Writer) { tokenTable(w, list.Tokens) })
			if err == nil && list.Next != "" && access.output == "table" {
				_, err = fmt.Fprintf(cmd.ErrOrStderr(), "there may be more: --after %s\n", printable(list.Next))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&after, "after", "", "only what is behind this place, as the list before names it")
	cmd.Flags().IntVar(&limit, "limit", maxList, "how many, at most 1000")
	return cmd
}

func tokenTable(w *tabwriter.Writer, tokens []client.Token) {
	fmt.Fprintln(w, "ID\tNAME\tROLES\tSERVICES\tCREATED\tBY\tSTATE")
	for _, t := range tokens {
		services, state := "all", "valid"
		if len(t.Services) > 0 {
			services = printable(strings.Join(t.Services, ","))
		}
		if t.Revoked {
			state = "revoked " + shortTime(t.RevokedAt) + " by " + printable(t.RevokedBy)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(t.ID), printable(t.Name), strings.Join(t.Roles, ","), services, shortTime(t.CreatedAt), printable(t.CreatedBy), state)
	}
}

func newTokenRevoke(access *controlAccess) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "Revoke a token, for good",
		Args:  wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			t, err := c.RevokeToken(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return access.print(cmd.OutOrStdout(), t, func(w *tabwriter.Writer) {
				state := "is revoked"
				if !t.Changed {
					state = "was revoked before,"
				}
				fmt.Fprintf(w, "token %s %s as of epoch %s\n", printable(t.ID), state, epochText(t.Epoch))
			})
		},
	}
}

// shortTime is a time in a table.
func shortTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

// epochText is an epoch in a sentence; 0 is one that is not known yet.
func epochText(epoch uint64) string {
	if epoch == 0 {
		return "unknown"
	}
	return fmt.Sprint(epoch)
}
