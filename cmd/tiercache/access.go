package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tiercache/control/client"
	"tiercache/shared/token"
)

// controlAccess is how commands reach control, show who they are, and print what it answers.
type controlAccess struct{ control, token, dataDir, output string }

// bind adds the flags; role is what the token needs.
func (a *controlAccess) bind(fs *pflag.FlagSet, role string) {
	fs.StringVar(&a.control, "control", client.DefaultURL, "URL of the control API")
	fs.StringVar(&a.token, "token", "", "token with the role "+role+" (default $"+token.Variable+", else <data-dir>/"+token.FileName+")")
	fs.StringVar(&a.dataDir, "data-dir", token.DataDir(), "data directory of a platform that up runs")
	fs.StringVarP(&a.output, "output", "o", "table", "table or json")
}

// client checks the flags and returns a client of control.
func (a *controlAccess) client() (*client.Client, error) {
	if err := checkOutput(a.output); err != nil {
		return nil, err
	}
	secret, err := token.Find(a.token, a.dataDir)
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{URL: a.control, Token: secret})
}

func checkOutput(output string) error {
	if output != "table" && output != "json" {
		return usage(fmt.Errorf("-o %q is not table or json", output))
	}
	return nil
}

// print writes value as JSON, or lets table write it.
func (a *controlAccess) print(w io.Writer, value any, table func(*tabwriter.Writer)) error {
	if a.output == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(value)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	table(t) // errors come out at Flush
	return t.Flush()
}

// usage marks an error as one of how the command was called.
func usage(err error) error { return &exitError{code: exitUsage, err: err} }

// wantArgs checks the number of arguments.
func wantArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage(err)
		}
		return nil
	}
}

// maxList is the longest list that control gives at once.
const maxList = 1000

// checkLimit checks how long a list may be.
func checkLimit(limit int) error {
	if limit < 1 || limit > maxList {
		return usage(fmt.Errorf("--limit %d: use 1 to %d", limit, maxList))
	}
	return nil
}

// maxDocument bounds a service document, in bytes, as control does.
const maxDocument = 1 << 20

// readInput reads a file, or standard input for "-".
func readInput(cmd *cobra.Command, file string) ([]byte, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // read only
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxDocument+1))
	if err == nil && len(b) > maxDocument {
		err = errors.New("the document is larger than 1 MiB")
	}
	return b, err
}
