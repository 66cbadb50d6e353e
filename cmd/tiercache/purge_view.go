package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"tiercache/control/client"
)

// purgeView shows a purge that is waited for.
type purgeView interface {
	// show takes what is known now; a purge is shown several times.
	show(*client.Purge) error
	// end is the last call, with what is known at the end.
	end(*client.Purge) error
}

// newPurgeView returns what suits out: on a terminal lines that are rewritten, else lines that stay.
func newPurgeView(out io.Writer) purgeView {
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		return &liveView{out: out, began: time.Now(), size: func() (int, int, error) { return term.GetSize(int(file.Fd())) }}
	}
	return &plainView{out: out, shown: make(map[string]bool)}
}

// silentView shows nothing.
type silentView struct{}

func (silentView) show(*client.Purge) error { return nil }
func (silentView) end(*client.Purge) error  { return nil }

// plainView shows each receipt when it is final, and at the end who is missing.
type plainView struct {
	out   io.Writer
	begun bool
	shown map[string]bool
}

func (v *plainView) show(p *client.Purge) error {
	if !v.begun {
		v.begun = true
		if _, err := fmt.Fprintln(v.out, purgeHead(p)); err != nil {
			return err
		}
	}
	return printNew(v.out, p.Nodes, v.shown)
}

func (v *plainView) end(p *client.Purge) error { return printPending(v.out, p.Nodes) }

// liveView rewrites its lines: how many nodes have applied the purge, and who is missing. At the end it leaves what the
// other view would have shown.
type liveView struct {
	out   io.Writer
	began time.Time
	size  func() (width, height int, err error)
	lines int // of the last show
}

// Escape sequences of every terminal that is not dumb (ECMA-48): the cursor up to the begin of a line, and what is
// behind it cleared.
const (
	cursorUp   = "\x1b[%dF"
	clearBelow = "\x1b[J"
)

// What of a terminal's size is used where it does not tell.
const (
	defaultWidth  = 80
	defaultHeight = 24
)

func (v *liveView) show(p *client.Purge) error {
	if p.State == client.StateComplete {
		return nil // end shows it
	}
	width, height, err := v.size()
	if err != nil || width <= 0 || height <= 0 {
		width, height = defaultWidth, defaultHeight
	}
	lines := v.text(p, time.Now())
	if most := max(height-1, 1); len(lines) > most { // what has scrolled away cannot be rewritten
		lines = append(lines[:most-1], fmt.Sprintf("  ... and %d more", len(lines)-most+1))
	}
	for i := range lines {
		lines[i] = cutTo(lines[i], width-1)
	}
	return v.rewrite(lines)
}

func (v *liveView) end(p *client.Purge) error {
	if err := v.rewrite(nil); err != nil {
		return err
	}
	return printPurge(v.out, p)
}

// rewrite puts lines in the place of those before.
func (v *liveView) rewrite(lines []string) error {
	var b strings.Builder
	if v.lines > 0 {
		fmt.Fprintf(&b, cursorUp+clearBelow, v.lines)
	}
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	v.lines = len(lines)
	_, err := io.WriteString(v.out, b.String())
	return err
}

// text is the purge as it stands: a line, one for how far it is, and one for each node that is missing or fenced.
func (v *liveView) text(p *client.Purge, now time.Time) []string {
	count := map[string]int{}
	var missing []string
	for i := range p.Nodes {
		r := &p.Nodes[i]
		count[r.State]++
		switch r.State {
		case client.StateApplied:
		case client.StatePending:
			missing = append(missing, fmt.Sprintf("  pending   %-16s  %-8s  %-8s  %s", printable(r.Node), printable(r.Tier), printable(r.Region), heardText(r.Heard, now)))
		default:
			missing = append(missing, receiptLine(r))
		}
	}
	lines := []string{purgeHead(p), fmt.Sprintf("  applied by %d of %d nodes, %d pending, %d fenced, after %v", count[client.StateApplied], len(p.Nodes),
		count[client.StatePending], count[client.StateFenced], now.Sub(v.began).Round(100*time.Millisecond))}
	return append(lines, missing...)
}

// heardText says how long a node has said nothing.
func heardText(at, now time.Time) string {
	if at.IsZero() {
		return "not heard since control started"
	}
	return fmt.Sprintf("last heard %v ago", max(now.Sub(at), 0).Round(100*time.Millisecond))
}

// cutTo shortens a line to what fits: a line that wraps is two, and could not be rewritten. Lines are printable.
func cutTo(line string, width int) string {
	if runes := []rune(line); len(runes) > width && width > 0 {
		return string(runes[:width])
	}
	return line
}
