package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newDrainCommand() *cobra.Command {
	var access controlAccess
	var undo bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "Take an edge or a regional node out of rotation",
		Long: "Tell an edge or a regional node to say that it is not ready: its /readyz answers 503, so that a load balancer sends\n" +
			"clients elsewhere. The node serves on, follows the control log and stays a member; stop it when its clients are gone.\n" +
			"A restart puts it back into rotation, and so does --undo.",
		Example: "  tiercache drain edge-1\n" +
			"  tiercache drain edge-1 --undo",
		Args: wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := access.client()
			if err != nil {
				return err
			}
			ctx, cancel := within(cmd.Context(), timeout)
			defer cancel()
			if err := c.Drain(ctx, args[0], !undo); err != nil {
				return err
			}
			state := "drained"
			if undo {
				state = "back in rotation"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", args[0], state)
			return err
		},
	}
	cmd.Flags().BoolVar(&undo, "undo", false, "put the node back into rotation")
	bindTimeout(cmd.Flags(), &timeout, "how long the command may take")
	access.bind(cmd.Flags(), "admin")
	return cmd
}
