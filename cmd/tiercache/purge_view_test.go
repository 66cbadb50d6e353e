package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiercache/control/client"
)

// screen is a terminal as far as a live view needs one: lines, of which the last ones can be rewritten.
type screen struct {
	t             *testing.T
	width, height int
	lines         []string // the last one is being written
}

// Write takes text, line ends, and the two sequences that the view uses.
func (s *screen) Write(b []byte) (int, error) {
	for text := string(b); text != ""; {
		var up int
		if n, _ := fmt.Sscanf(text, "\x1b[%dF", &up); n == 1 {
			if up > s.height-1 {
				s.t.Errorf("up by %d lines of a screen of %d", up, s.height)
			}
			s.lines = append(s.lines[:len(s.lines)-1-up], "")
			text = text[strings.Index(text, "F")+1:]
			text = strings.TrimPrefix(text, clearBelow)
			continue
		}
		line, rest, ended := strings.Cut(text, "\n")
		if strings.ContainsRune(line, '\x1b') {
			s.t.Fatalf("an escape sequence in %q", line)
		}
		if s.lines[len(s.lines)-1] += line; len(s.lines[len(s.lines)-1]) > s.width {
			s.t.Errorf("a line of %d characters on a screen of %d", len(line), s.width)
		}
		if ended {
			s.lines = append(s.lines, "")
		}
		text = rest
	}
	return len(b), nil
}

// fleetOf is a purge of which so many nodes have applied it.
func fleetOf(nodes, applied, fenced int) *client.Purge {
	p := &client.Purge{ID: "id", Epoch: 7, State: client.StatePending}
	for i := range nodes {
		r := client.Receipt{Node: fmt.Sprintf("edge-%d", i+1), Tier: "edge", Region: "r1", State: client.StatePending, Heard: time.Now().Add(-2 * time.Second)}
		switch {
		case i < applied:
			r.State, r.MS, r.Heard = client.StateApplied, int64(i), time.Time{}
		case i < applied+fenced:
			r.State, r.MS = client.StateFenced, 2500
		}
		p.Nodes = append(p.Nodes, r)
	}
	if applied+fenced == nodes {
		p.State = client.StateComplete
	}
	return p
}

func TestLiveView_RewritesItsLinesAndLeavesThePlainOnes(t *testing.T) {
	for _, c := range []struct{ width, height, nodes int }{{80, 24, 3}, {120, 24, 200}, {30, 5, 50}, {80, 2, 3}} {
		s := &screen{t: t, width: c.width, height: c.height, lines: []string{"before", ""}}
		v := &liveView{out: s, began: time.Now(), size: func() (int, int, error) { return c.width, c.height, nil }}
		for _, applied := range []int{0, 1, c.nodes - 1} {
			if err := v.show(fleetOf(c.nodes, applied, 0)); err != nil {
				t.Fatal(err)
			}
			if text := strings.Join(s.lines, "\n"); c.width >= 80 && !strings.Contains(text, fmt.Sprintf("applied by %d of %d nodes, %d pending, 0 fenced", applied, c.nodes, c.nodes-applied)) && c.height > 4 {
				t.Errorf("%+v: it shows\n%s", c, text)
			}
			if len(s.lines) > c.height+1 {
				t.Errorf("%+v: %d lines", c, len(s.lines))
			}
		}
		if text := strings.Join(s.lines, "\n"); c.height > 4 && c.width >= 80 && (!strings.Contains(text, fmt.Sprintf("pending   edge-%d ", c.nodes)) || !strings.Contains(text, "last heard 2s ago")) {
			t.Errorf("%+v: it does not show who is missing:\n%s", c, text)
		}
		var plain strings.Builder
		last := fleetOf(c.nodes, c.nodes-1, 1)
		if err := printPurge(&plain, last); err != nil {
			t.Fatal(err)
		}
		s.width = 1000 // what stays may wrap
		if err := v.show(last); err != nil {
			t.Fatal(err)
		}
		if err := v.end(last); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.lines, "\n"); got != "before\n"+plain.String() {
			t.Errorf("%+v: at the end it shows\n%s\nwant\n%s", c, got, plain.String())
		}
	}
}

func TestPurgeView_WhatIsNoTerminalGetsLinesThatStay(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, plain := newPurgeView(file).(*plainView); !plain {
		t.Errorf("a file gets a %T", newPurgeView(file))
	}
	if _, plain := newPurgeView(&strings.Builder{}).(*plainView); !plain {
		t.Error("a buffer gets no plain lines")
	}
}

func TestPrintEstimates_SaysWhatIsNotKnown(t *testing.T) {
	var out strings.Builder
	err := printEstimates(&out, []client.Estimate{
		{Node: "edge-1", Tier: "edge", Region: "r1", Objects: 3, Bytes: 1000, Exact: true},
		{Node: "edge-2", Tier: "edge", Region: "r1", Objects: 300, ObjectsError: 12, Bytes: 9000, BytesError: 400, Seen: 2000, Of: 90_000},
		{Node: "edge-3", Tier: "edge", Region: "r1", Problem: "the node does not \x1b[answer"},
	})
	want := []string{"3  ", "1000 ", "exact", "300 +- 12", "9000 +- 400", "2000 of 90000 values", "not known: the node does not ?[answer"}
	for _, text := range want {
		if err != nil || !strings.Contains(out.String(), text) {
			t.Errorf("no %q in\n%s%v", text, &out, err)
		}
	}
}
