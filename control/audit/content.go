package audit

import (
	"context"
	"slices"
	"strings"
	"time"

	"tiercache/control/client"
)

// contentGrace is added to what is allowed when content is compared: of a write PostgreSQL keeps when its transaction
// began, and the old version was current until that was committed, 5 s later at most.
const contentGrace = 10 * time.Second

// compare compares what nodes hold of the origin's objects with the versions that it has had. A node may hold any that
// was current within the time that is allowed.
//
// INVARIANT: versions are read after the node has answered: what it holds is among them, however new.
func (w *walk) compare(ctx context.Context, page *client.EntryPage, own []*client.Entry) error {
	if w.auditor.deps.Objects == nil || len(own) == 0 {
		return nil
	}
	var addresses []Address
	for _, e := range own {
		path, _, _ := strings.Cut(e.Target, "?")
		addresses = append(addresses, Address{e.Host, path}, Address{"*", path})
	}
	versions, err := w.auditor.deps.Objects.Versions(ctx, addresses)
	if err != nil {
		return err
	}
	limit := w.auditor.now.Add(-w.auditor.cfg.Within - contentGrace)
	for i, e := range own {
		history := newHistory(limit, versions[addresses[2*i]], versions[addresses[2*i+1]])
		switch {
		case !history.known:
			continue
		case !history.has(e.ETag):
			v := w.violation(page, e)
			v.Kind, v.Held, v.Current, v.At = KindContent, e.ETag, history.current, history.since
			v.StaleMS = w.auditor.now.Sub(v.At).Milliseconds()
			w.note(v)
		}
		w.report.Compared++
	}
	return nil
}

// history is what an address has served since a moment.
type history struct {
	known   bool     // enough is kept to tell
	etags   []string // of what was current since
	current string   // the entity tag of what is current now; empty: nothing is
	since   time.Time
}

// newHistory joins the versions of the host itself, newest first, and those of any host, which serve where it has none.
// All of both that were current since the limit count: at which moment which one served is not asked.
func newHistory(limit time.Time, own, shared []Version) history {
	h := history{known: len(own)+len(shared) > 0}
	for _, versions := range [][]Version{shared, own} {
		for i, v := range versions {
			if !v.Deleted && (v.Ended.IsZero() || v.Ended.After(limit)) {
				h.etags = append(h.etags, v.ETag)
			}
			if i == 0 {
				h.latest(&v)
			}
		}
		// Older versions may have been removed: then one must be there that was current at the limit.
		if n := len(versions); n > 0 && versions[n-1].Created.After(limit) {
			h.known = false
		}
	}
	return h
}

// latest takes the newest version of the host itself or, before that, of any host.
func (h *history) latest(v *Version) {
	switch {
	case !v.Deleted:
		h.current, h.since = v.ETag, v.Created
	case h.current == "":
		h.since = v.Created
	}
}

// has reports whether the tag is one of the history's. A node that has compressed a response says that of the original,
// as a weak one.
func (h *history) has(etag string) bool {
	return slices.Contains(h.etags, strings.TrimPrefix(etag, "W/"))
}
