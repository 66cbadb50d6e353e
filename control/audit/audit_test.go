package audit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/control/postgres"
	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
)

// script is a fleet, a log and an origin that say what a test wants. What they are really like is tested where they are,
// and all together in loadtests/endtoend.
type script struct {
	nodes    []client.Node
	pages    func(node string, walk string) (client.EntryPage, error)
	rows     []controllog.Row
	floor    uint64
	now      time.Time
	versions map[Address][]Version
	asked    []string // what was asked, in order
}

func (s *script) Fleet(context.Context) (client.Fleet, error) {
	return client.Fleet{Nodes: s.nodes}, nil
}

func (s *script) Entries(_ context.Context, node string, r client.EntriesRequest) (client.EntryPage, error) {
	s.asked = append(s.asked, "page")
	return s.pages(node, r.Walk)
}

func (s *script) Settled(_ context.Context, after uint64, age time.Duration) (postgres.Settled, error) {
	s.asked = append(s.asked, "log")
	settled := postgres.Settled{Now: s.now, Floor: s.floor}
	for _, row := range s.rows {
		if row.Epoch > after && !row.Time.After(s.now.Add(-age)) {
			settled.Rows = append(settled.Rows, row)
		}
	}
	return settled, nil
}

func (s *script) Versions(context.Context, []Address) (map[Address][]Version, error) {
	s.asked = append(s.asked, "versions")
	return s.versions, nil
}

// entry is a response of a path with tags, as a node tells of it.
func entryOf(t *testing.T, path, verdict string, stamp uint64, tags ...string) client.Entry {
	t.Helper()
	scopes, err := invalidation.AppendScopes(nil, &invalidation.Response{Service: "shop", Host: "h", Target: path, Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	e := client.Entry{Service: "shop", Scheme: "http", Host: "h", Target: path, Kind: client.KindResponse, Stamp: stamp, Verdict: verdict, Status: 200}
	for _, s := range scopes {
		e.Scopes = append(e.Scopes, s[:]...)
	}
	return e
}

func (s *script) run(t *testing.T, cfg Config) (Report, []Violation) {
	t.Helper()
	var found []Violation
	report, err := New(cfg, Deps{Fleet: s, Log: s, Objects: s}).Run(t.Context(), func(v *Violation) { found = append(found, *v) })
	if err != nil {
		t.Fatal(err)
	}
	return report, found
}

// purgeAt is a purge of a tag; its epoch is the second at which it came.
func purgeAt(t *testing.T, epoch, prev uint64, tag, mode string) controllog.Row {
	t.Helper()
	return rowOf(t, epoch, prev, "purge", controllog.Purge{Mode: mode, Tags: []string{tag}})
}

func TestAudit_WhatIsAViolation(t *testing.T) {
	s := &script{
		nodes: []client.Node{{Node: "edge-1", Tier: "edge"}, {Node: "origin-1", Tier: "origin"}},
		rows:  []controllog.Row{purgeAt(t, 100, 0, "hard", "hard"), purgeAt(t, 110, 100, "soft", "soft"), purgeAt(t, 200, 110, "new", "hard")},
		now:   time.UnixMilli(201_000),
	}
	cases := []struct {
		name string
		e    client.Entry
		kind string
	}{
		{"stamped after all", entryOf(t, "/a", "live", 150, "hard", "soft"), ""},
		{"dead to the node too", entryOf(t, "/b", "dead", 90, "hard"), ""},
		{"a hard purge is missed", entryOf(t, "/c", "live", 99, "hard"), KindMissed},
		{"a hard purge counts as a soft one", entryOf(t, "/d", "stale", 99, "hard"), KindMissed},
		{"a soft purge is missed", entryOf(t, "/e", "live", 105, "soft"), KindMissed},
		{"stale to the node too", entryOf(t, "/f", "stale", 105, "soft"), ""},
		{"a purge that is too young", entryOf(t, "/g", "live", 150, "new"), ""},
		{"a node that is behind", entryOf(t, "/h", "live", 109, "soft"), KindBehind},
		{"an entry without content", entryOf(t, "/i", "live", 1, "hard"), ""},
		{"a strict service and no lease", entryOf(t, "/j", "live", 1, "hard"), ""},
	}
	cases[8].e.Kind, cases[9].e.Withheld = "variants", true
	for _, c := range cases {
		s.pages = func(string, string) (client.EntryPage, error) {
			page := client.EntryPage{Number: 1, Applied: 200, Live: true, Entries: []client.Entry{c.e}}
			if c.kind == KindBehind {
				page.Applied = 105
			}
			return page, nil
		}
		report, found := s.run(t, Config{Within: 2 * time.Second})
		switch {
		case c.kind == "" && (len(found) > 0 || report.Violations > 0):
			t.Errorf("%s: %+v", c.name, found)
		case c.kind != "" && (len(found) != 1 || found[0].Kind != c.kind || found[0].URL != "http://h"+c.e.Target || report.Violations != 1):
			t.Errorf("%s: %+v", c.name, found)
		case len(report.Nodes) != 1 || !report.Whole:
			t.Errorf("%s: %+v", c.name, report)
		}
	}
	report, found := s.run(t, Config{Within: 500 * time.Millisecond}) // the last case is withheld
	if report.Judged != 1 || report.Served != 0 || len(found) != 0 {
		t.Errorf("%+v, %+v", report, found)
	}
	s.floor = 120
	s.rows = s.rows[2:]
	s.pages = func(string, string) (client.EntryPage, error) {
		return client.EntryPage{Number: 1, Applied: 200, Entries: []client.Entry{entryOf(t, "/old", "live", 90, "hard"), entryOf(t, "/x", "live", 150, "new")}}, nil
	}
	report, found = s.run(t, Config{Within: 500 * time.Millisecond})
	if report.Partly != 1 || len(found) != 1 || found[0].StaleMS != 1000 || found[0].Lease {
		t.Errorf("a log that begins late: %+v, %+v", report, found)
	}
}

// TestAudit_TheLogIsReadBeforeEachPage, and versions after it.
func TestAudit_TheLogIsReadBeforeEachPage(t *testing.T) {
	own := entryOf(t, "/a", "live", 150)
	own.Own, own.ETag = true, `"1"`
	s := &script{nodes: []client.Node{{Node: "edge-1", Tier: "edge"}}, now: time.UnixMilli(1_000_000)}
	s.pages = func(_, walk string) (client.EntryPage, error) {
		if walk == "" {
			return client.EntryPage{Number: 1, Walk: "w", Entries: []client.Entry{own}}, nil
		}
		return client.EntryPage{Number: 2, Entries: []client.Entry{own}}, nil
	}
	s.run(t, Config{})
	if got := fmt.Sprint(s.asked); got != "[log log page versions log page versions]" {
		t.Errorf("asked %v", got)
	}
}

func TestAudit_ContentOfTheOrigin(t *testing.T) {
	at := func(second int64) time.Time { return time.UnixMilli(second * 1000) }
	s := &script{nodes: []client.Node{{Node: "edge-1", Tier: "edge"}}, now: at(1000)}
	here, anywhere := Address{"h", "/a"}, Address{"*", "/a"}
	for _, c := range []struct {
		name, etag string
		versions   map[Address][]Version
		violation  bool
		compared   int64
	}{
		{"the current one", `"2"`, map[Address][]Version{here: {{ETag: `"2"`, Created: at(100)}, {ETag: `"1"`, Created: at(50), Ended: at(100)}}}, false, 1},
		{"compressed", `W/"2"`, map[Address][]Version{here: {{ETag: `"2"`, Created: at(100)}}}, false, 1},
		{"the one before", `"1"`, map[Address][]Version{here: {{ETag: `"2"`, Created: at(100)}, {ETag: `"1"`, Created: at(50), Ended: at(100)}}}, true, 1},
		{"one that has just ended", `"1"`, map[Address][]Version{here: {{ETag: `"2"`, Created: at(999)}, {ETag: `"1"`, Created: at(50), Ended: at(999)}}}, false, 1},
		{"one of which no version is that old", `"1"`, map[Address][]Version{here: {{ETag: `"2"`, Created: at(999)}}}, false, 0},
		{"deleted", `"1"`, map[Address][]Version{here: {{Deleted: true, Created: at(100)}, {ETag: `"1"`, Created: at(50), Ended: at(100)}}}, true, 1},
		{"of any host", `"3"`, map[Address][]Version{anywhere: {{ETag: `"3"`, Created: at(100)}}}, false, 1},
		{"of any host, once its own was deleted", `"3"`, map[Address][]Version{anywhere: {{ETag: `"3"`, Created: at(10)}}, here: {{Deleted: true, Created: at(100)}}}, false, 1},
		{"never written here", `"9"`, nil, false, 0},
	} {
		e := entryOf(t, "/a?x=1", "live", 500)
		e.Own, e.ETag = true, c.etag
		s.versions = c.versions
		s.pages = func(string, string) (client.EntryPage, error) {
			return client.EntryPage{Number: 1, Applied: 600, Entries: []client.Entry{e}}, nil
		}
		report, found := s.run(t, Config{Within: 2 * time.Second})
		if (len(found) == 1) != c.violation || report.Nodes[0].Compared != c.compared {
			t.Errorf("%s: compared %d, %+v", c.name, report.Nodes[0].Compared, found)
		}
		if c.violation && (found[0].Kind != KindContent || found[0].Held != c.etag || found[0].StaleMS != 900_000) {
			t.Errorf("%s: %+v", c.name, found)
		}
	}
}

// TestAudit_NodesThatCannotBeAudited: a walk that has broken off is begun anew once, and what is missing is said.
func TestAudit_NodesThatCannotBeAudited(t *testing.T) {
	good := entryOf(t, "/a", "live", 5)
	s := &script{nodes: []client.Node{{Node: "edge-1", Tier: "edge"}, {Node: "edge-2", Tier: "edge"}, {Node: "edge-3", Tier: "edge"}, {Node: "edge-1", Tier: "edge", Refused: "another process of that name is the member"}}, now: time.UnixMilli(1_000_000)}
	walks := map[string]int{}
	s.pages = func(node, walk string) (client.EntryPage, error) {
		if walk == "" {
			walks[node]++
		}
		switch {
		case node == "edge-1" && walks[node] == 1 && walk != "": // its second page is lost
			return client.EntryPage{Number: 3, Entries: []client.Entry{good}}, nil
		case node == "edge-2" && walk != "":
			return client.EntryPage{}, &client.Problem{Status: http.StatusConflict}
		case node == "edge-3":
			return client.EntryPage{}, &client.Problem{Status: http.StatusServiceUnavailable, Detail: "the node does not answer"}
		case walk == "":
			return client.EntryPage{Number: 1, Walk: "w", Entries: []client.Entry{good}}, nil
		}
		return client.EntryPage{Number: 2, Entries: []client.Entry{good}}, nil
	}
	report, _ := s.run(t, Config{})
	if n := report.Nodes[0]; n.Problem != "" || n.Judged != 2 || walks["edge-1"] != 2 {
		t.Errorf("a page that was lost: %+v, %d walks", n, walks["edge-1"])
	}
	if n := report.Nodes[1]; n.Problem == "" || walks["edge-2"] != 2 || report.Whole {
		t.Errorf("a walk that is always lost: %+v, %d walks", n, walks["edge-2"])
	}
	if n := report.Nodes[2]; n.Problem == "" || walks["edge-3"] != 1 {
		t.Errorf("a node that is away: %+v, %d walks", n, walks["edge-3"])
	}
	if n := report.Nodes[3]; !strings.Contains(n.Problem, "refuses it: another process") || n.Judged != 0 {
		t.Errorf("a node that is refused: %+v", n)
	}
	_, err := New(Config{Nodes: []string{"edge-1", "edge-9"}}, Deps{Fleet: s, Log: s}).Run(t.Context(), func(*Violation) {})
	if !errors.Is(err, ErrNoSuchNode) {
		t.Errorf("a node that there is not: %v", err)
	}
}
