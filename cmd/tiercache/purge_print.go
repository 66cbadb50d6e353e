package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"tiercache/control/client"
)

// printNew shows the receipts that are final and were not shown before.
func printNew(out io.Writer, nodes []client.Receipt, shown map[string]bool) error {
	for i := range nodes {
		r := &nodes[i]
		if r.State == client.StatePending || shown[r.Node] {
			continue
		}
		shown[r.Node] = true
		if _, err := fmt.Fprintln(out, receiptLine(r)); err != nil {
			return err
		}
	}
	return nil
}

func printPending(out io.Writer, nodes []client.Receipt) error {
	for i := range nodes {
		if nodes[i].State != client.StatePending {
			continue
		}
		if _, err := fmt.Fprintln(out, receiptLine(&nodes[i])); err != nil {
			return err
		}
	}
	return nil
}

func printPurge(out io.Writer, purge *client.Purge) error {
	if _, err := fmt.Fprintln(out, purgeHead(purge)); err != nil {
		return err
	}
	if purge.State == client.StateDryRun {
		return printEstimates(out, purge.Estimates)
	}
	if err := printNew(out, purge.Nodes, map[string]bool{}); err != nil {
		return err
	}
	return printPending(out, purge.Nodes)
}

// purgeHead is a purge in one line.
func purgeHead(p *client.Purge) string {
	if p.State == client.StateDryRun {
		return fmt.Sprintf("dry run: things named: %d, mode: %s; nothing was purged", p.Scopes, p.Mode)
	}
	return fmt.Sprintf("purge %s epoch %s", printable(p.ID), epochText(p.Epoch))
}

// receiptLine is what one node has made of an entry.
func receiptLine(r *client.Receipt) string {
	took := "-"
	if r.State != client.StatePending {
		took = fmt.Sprintf("%d ms", r.MS)
	}
	if r.State != client.StateApplied && !r.Heard.IsZero() {
		took += ", last heard " + r.Heard.Local().Format("15:04:05.000")
	}
	return fmt.Sprintf("  %-8s  %-16s  %-8s  %-8s  %s", printable(r.State), printable(r.Node), printable(r.Tier), printable(r.Region), took)
}

// printEstimates shows what a purge would concern.
func printEstimates(out io.Writer, estimates []client.Estimate) error {
	if len(estimates) == 0 {
		_, err := fmt.Fprintln(out, "no node holds anything: the fleet has neither edges nor regional nodes")
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tTIER\tREGION\tOBJECTS\tBYTES\tHOW")
	for _, e := range estimates {
		objects, size, how := fmt.Sprint(e.Objects), fmt.Sprint(e.Bytes), "exact"
		switch {
		case e.Problem != "":
			objects, size, how = "-", "-", "not known: "+printable(e.Problem)
		case !e.Exact:
			objects += fmt.Sprintf(" +- %d", e.ObjectsError)
			size += fmt.Sprintf(" +- %d", e.BytesError)
			how = fmt.Sprintf("estimated from %d of %d values, with 95 %% confidence", e.Seen, e.Of)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(e.Node), printable(e.Tier), printable(e.Region), objects, size, how)
	}
	return t.Flush()
}
