package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tiercache/origin/api"
	"tiercache/origin/client"
)

// errPending is what such a write ends with; the table says which node it is.
var errPending = errors.New("the write is stored, but not every node has applied it yet")

// receiptsHelp is what the commands that write have in their long help about --wait.
const receiptsHelp = "The epoch that is printed is the write's place in the control log: a read that carries it as\n" +
	"Tiercache-Min-Epoch gets this write or a later one, at any edge. With --wait the command ends when every\n" +
	"node has applied the write or is fenced, that is does not call itself current any more: then no read needs that.\n" +
	"Exit status: 0 done, and with --wait applied or fenced everywhere; 1 an error, after which it may have been done if\n" +
	"the origin did not answer; 2 a wrong command line; 3 with --wait: done, but some node is pending."

// receiptFlags are the settings of commands that write and may wait for the fleet.
type receiptFlags struct {
	waiting
	output string
}

func (f *receiptFlags) bind(fs *pflag.FlagSet) {
	fs.BoolVar(&f.wait, "wait", false, "wait until every node of the fleet has applied the write or is fenced")
	bindTimeout(fs, &f.timeout, "how long the origin may take to answer, waiting or not, once it has been sent everything")
	fs.StringVarP(&f.output, "output", "o", "table", "table or json")
}

func (f *receiptFlags) validate() error { return checkOutput(f.output) }

// duration is what the origin is asked to wait.
func (f *receiptFlags) duration() time.Duration {
	if !f.wait {
		return 0
	}
	return asked(f.timeout)
}

// unanswered says what to do about a write of which nobody knows whether it was made.
func (f *receiptFlags) unanswered(err error) error {
	if !errors.Is(err, client.ErrTimeout) {
		return err
	}
	return fmt.Errorf("%w; it may have been done: to repeat the command does no harm", err)
}

// print shows a write: the line with its epoch and the receipts as a table, or the whole answer as JSON.
func (f *receiptFlags) print(cmd *cobra.Command, line string, answer any, w *api.Write) error {
	if err := f.write(cmd.OutOrStdout(), line, answer, w); err != nil {
		return err
	}
	if f.wait && !w.Receipt.Complete() {
		return &exitError{code: exitPending, err: errPending}
	}
	return nil
}

func (f *receiptFlags) write(out io.Writer, line string, answer any, w *api.Write) error {
	if f.output == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(answer)
	}
	epoch := "unknown"
	if w.Epoch != nil {
		epoch = fmt.Sprint(*w.Epoch)
	}
	if _, err := fmt.Fprintf(out, "%s epoch %s\n", line, epoch); err != nil {
		return err
	}
	for _, note := range notes(w) {
		if _, err := fmt.Fprintf(out, "note: %s\n", printable(note)); err != nil {
			return err
		}
	}
	if w.Receipt == nil || len(w.Receipt.Nodes) == 0 {
		return nil
	}
	return printReceipts(out, w.Receipt.Nodes)
}

// notes are those of the write and of its receipt, each once.
func notes(w *api.Write) []string {
	var all []string
	if w.Note != "" {
		all = append(all, w.Note)
	}
	if w.Receipt != nil && w.Receipt.Note != "" && w.Receipt.Note != w.Note {
		all = append(all, w.Receipt.Note)
	}
	return all
}

func printReceipts(out io.Writer, nodes []api.NodeReceipt) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tTIER\tREGION\tSTATE\tTIME") // errors come out at Flush
	for _, n := range nodes {
		took := "-"
		if n.State != api.StatePending {
			took = fmt.Sprintf("%d ms", n.MS)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", printable(n.Node), printable(n.Tier), printable(n.Region), printable(n.State), took)
	}
	return table.Flush()
}
