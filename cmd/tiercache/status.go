package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tiercache/control/client"
)

// errNotReady is what `status` ends with then; the table says which node it is.
var errNotReady = errors.New("not every node is ready")

func newStatusCommand() *cobra.Command {
	var access controlAccess
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the nodes of the fleet",
		Long: "Show the nodes of the fleet as control knows them: what each has applied of the control log, how far it is\n" +
			"behind, and whether it holds a lease, without which it does not call itself current.\n" +
			"Exit status: 0 every node is ready, 3 some node is not, 1 control cannot be asked.",
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return status(cmd, &access) },
	}
	access.bind(cmd.Flags(), "read")
	return cmd
}

func status(cmd *cobra.Command, access *controlAccess) error {
	c, err := access.client()
	if err != nil {
		return err
	}
	fleet, err := c.Fleet(cmd.Context())
	if err != nil {
		return err
	}
	if err := access.print(cmd.OutOrStdout(), fleet, func(w *tabwriter.Writer) { fleetTable(w, &fleet) }); err != nil {
		return err
	}
	if !fleet.Ready {
		return &exitError{code: exitPending, err: errNotReady}
	}
	return nil
}

func fleetTable(w *tabwriter.Writer, fleet *client.Fleet) {
	fmt.Fprintln(w, "NODE\tTIER\tREGION\tADDRESS\tADMIN\tVERSION\tUP\tSTATE\tHEARD\tAPPLIED\tLAG\tLEASE")
	for _, n := range fleet.Nodes {
		applied, lag := leaseColumns(&n)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s ago\t%s\t%s\t%s\n",
			printable(n.Node), printable(n.Tier), printable(n.Region), link(n.Addr), link(n.Admin), printable(n.Version),
			upFor(n.Started), nodeState(n), (time.Duration(n.LastHeardMS) * time.Millisecond).Round(100*time.Millisecond),
			applied, lag, printable(n.Lease))
	}
	for _, n := range fleet.Nodes {
		if n.Refused != "" {
			fmt.Fprintf(w, "%s at %s is refused: %s\n", printable(n.Node), link(n.Addr), printable(n.Refused))
		}
	}
}

// leaseColumns are how far a node has got with the control log; those that are no members do not say.
func leaseColumns(n *client.Node) (applied, lag string) {
	if n.Applied == 0 {
		return "-", "-"
	}
	return fmt.Sprint(n.Applied), (time.Duration(n.LagMS) * time.Millisecond).String()
}

// nodeState puts what a node says about itself and whether it was heard into a word.
func nodeState(n client.Node) string {
	switch {
	case n.Refused != "":
		return "refused"
	case n.State != client.StateLive:
		return n.State
	case n.Draining:
		return "drained"
	case n.Ready:
		return "ready"
	}
	return "not ready"
}

// link makes an address one that can be clicked or given to curl.
func link(addr string) string {
	if addr == "" {
		return "-"
	}
	return (&url.URL{Scheme: "http", Host: printable(addr)}).String()
}

// printable keeps what a node says about itself from steering the terminal.
func printable(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r <= 0x9f) {
			return '?'
		}
		return r
	}, s)
}

// upFor is how long ago a node was started, for a table; "-" where it has not said so: it announces itself over NATS.
func upFor(started time.Time) string {
	if started.IsZero() {
		return "-"
	}
	return time.Since(started).Round(time.Second).String()
}
