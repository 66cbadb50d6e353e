package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tiercache/control/client"
	"tiercache/shared/token"
)

// statusNotReady is the exit status of `status` when a node is not ready or silent.
const statusNotReady = 3

// errNotReady is what `status` ends with then; the table says which node it is.
var errNotReady = errors.New("not every node is ready")

// statusFlags are the settings of `status`.
type statusFlags struct {
	control, token, dataDir, output string
}

func newStatusCommand() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the nodes of the fleet",
		Long:  "Show the nodes of the fleet as control knows them.\nExit status: 0 every node is ready, 3 some node is not, 1 control cannot be asked.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return status(cmd, f) },
	}
	cmd.Flags().StringVar(&f.control, "control", client.DefaultURL, "URL of the control API")
	cmd.Flags().StringVar(&f.token, "token", "", "token with the role read (default $"+token.Variable+", else <data-dir>/"+token.FileName+")")
	cmd.Flags().StringVar(&f.dataDir, "data-dir", token.DataDir(), "data directory of a platform that up runs")
	cmd.Flags().StringVarP(&f.output, "output", "o", "table", "table or json")
	return cmd
}

func status(cmd *cobra.Command, f statusFlags) error {
	if f.output != "table" && f.output != "json" {
		return fmt.Errorf("-o %q is not table or json", f.output)
	}
	secret, err := token.Find(f.token, f.dataDir)
	if err != nil {
		return err
	}
	c, err := client.New(client.Config{URL: f.control, Token: secret})
	if err != nil {
		return err
	}
	fleet, err := c.Fleet(cmd.Context())
	if err != nil {
		return err
	}
	if err := printFleet(cmd.OutOrStdout(), f.output, fleet); err != nil {
		return err
	}
	if !fleet.Ready {
		return &exitError{code: statusNotReady, err: errNotReady}
	}
	return nil
}

func printFleet(w io.Writer, output string, fleet client.Fleet) error {
	if output == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(fleet)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tTIER\tREGION\tADDRESS\tADMIN\tVERSION\tUP\tSTATE\tHEARD") // errors come out at Flush
	for _, n := range fleet.Nodes {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s ago\n",
			printable(n.Node), printable(n.Tier), printable(n.Region), link(n.Addr), link(n.Admin), printable(n.Version),
			time.Since(n.Started).Round(time.Second), nodeState(n), (time.Duration(n.LastHeardMS) * time.Millisecond).Round(100*time.Millisecond))
	}
	return table.Flush()
}

// nodeState puts what a node says about itself and whether it was heard into a word.
func nodeState(n client.Node) string {
	switch {
	case n.State != client.StateLive:
		return n.State
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
