package history

import (
	"cmp"
	"slices"
	"time"
)

// Monotonic tells of each client with a jar of its own that was given an older version of an object after a newer one,
// although it had sent along the highest epoch that it knew. Of pages of a site that is not promised: between a change and
// its purge two nodes may differ.
func (h *History) Monotonic(violation func(format string, args ...any)) {
	type seen struct{ client, page string }
	newest := map[seen]*Read{}
	reads := slices.Clone(h.Reads)
	slices.SortFunc(reads, func(a, b *Read) int { return cmp.Compare(a.Start.Sub(h.Start), b.Start.Sub(h.Start)) })
	for _, d := range reads {
		if d.Jar != d.Client || d.Jar == "" || !d.Page.Own {
			continue
		}
		key := seen{d.Client, d.Page.Name}
		before := newest[key]
		if before == nil || d.Version >= before.Version {
			newest[key] = d
			continue
		}
		if before.End.Before(d.Start) && !h.lossBetween(before.Start, d.End) {
			violation("G5: %s was given version %d of %s by %s at %v, and version %d by %s before that", d.Client, d.Version, d.Page.Name, d.Node, h.since(d.Start), before.Version, before.Node)
		}
	}
}

// lossBetween reports whether something was taken back in that time, or shortly before, when nodes had not heard of it yet.
func (h *History) lossBetween(from, to time.Time) bool {
	return slices.ContainsFunc(h.Losses, func(l Loss) bool { return l.At.After(from.Add(-10*time.Second)) && l.At.Before(to) })
}
