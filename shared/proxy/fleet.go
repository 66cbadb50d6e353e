package proxy

import (
	"context"
	"errors"
	"strings"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
)

// Purger has control purge, on every node, what responses to unsafe methods have made invalid.
type Purger interface {
	// Purge asks for a purge of URLs and cache groups of a service and returns its epoch. Errors: ErrPurgeLimit when
	// nothing was asked; those of control; the context's when it ends first, after which it may still be purged.
	Purge(ctx context.Context, service string, urls []controllog.URL, groups []string) (epoch uint64, err error)
}

// ErrPurgeLimit: the service has asked for too many purges lately.
var ErrPurgeLimit = errors.New("too many invalidations")

// fleetTime bounds how long the reply to an unsafe method waits for control, and for this node to apply its purge.
const fleetTime = 250 * time.Millisecond

// maxFleetTarget is the longest target that is named in a purge, in bytes: control takes no longer URL.
const maxFleetTarget = 15 << 10

// fleetResult is what came of asking control for a purge. The set is closed: a metric counts by it.
type fleetResult uint8

const (
	fleetNotAsked fleetResult = iota // nothing was made invalid, or it is for another node to ask
	fleetPurged                      // the purge is in the log
	fleetLate                        // control has not answered in time; it may still purge
	fleetLimited                     // too many were asked for
	fleetFailed                      // control cannot be reached, or refuses
	fleetResults
)

// String is the result as the metric's label.
func (f fleetResult) String() string {
	return [...]string{"", "purged", "late", "limited", "failed", ""}[min(f, fleetResults)]
}

// detail is what Cache-Status says of it: that what this node has removed may be served elsewhere.
func (f fleetResult) detail() string {
	if f <= fleetPurged {
		return ""
	}
	return "purge-" + f.String()
}

// Invalidations counts requests with unsafe methods of services that invalidate the whole fleet, by what came of it:
// purged, late, limited or failed.
func (s *Stats) Invalidations(result string) uint64 {
	for f := fleetPurged; f < fleetResults; f++ {
		if f.String() == result {
			return s.fleet[f].Load()
		}
	}
	return 0
}

// invalidateFleet makes every node forget what the response to an unsafe method makes invalid, where the service asks
// for that: the node that talks to the upstream asks control, and the purge's epoch is passed on with the reply. It
// returns once the purge is in the log and was applied here, after fleetTime at most.
func (p *Proxy) invalidateFleet(r *request, response *Response) (epoch uint64, result fleetResult) {
	if !p.logged || !r.service.InvalidatesFleet() || !httpcache.Invalidates(r.method, response.Status) {
		return 0, fleetNotAsked
	}
	ctx, cancel := context.WithTimeout(r.ctx, fleetTime)
	defer cancel()
	if response.FromTier {
		epoch = parseEpoch(value(response.Header, epochField))
	} else {
		epoch, result = p.purgeFleet(ctx, r, response)
		p.stats.fleet[result].Add(1)
	}
	if epoch > 0 {
		// The client that has the reply must not be given by this node what it has made invalid. If the node cannot
		// catch up, the epoch in the reply still says what it must ask for.
		_ = p.control.Reach(ctx, epoch)
	}
	return epoch, result
}

// purgeFleet asks control.
func (p *Proxy) purgeFleet(ctx context.Context, r *request, response *Response) (uint64, fleetResult) {
	if p.purger == nil {
		return 0, fleetFailed
	}
	urls, ok := r.fleetURLs(p.invalidated(r, response))
	if !ok {
		return 0, fleetFailed
	}
	epoch, err := p.purger.Purge(ctx, r.service.Name, urls, r.fleetGroups(response))
	switch {
	case err == nil:
		return epoch, fleetPurged
	case errors.Is(err, ErrPurgeLimit):
		return 0, fleetLimited
	case ctx.Err() != nil:
		return 0, fleetLate
	}
	return 0, fleetFailed
}

// fleetURLs are the targets as a purge names them. Of one whose query cannot be named the path is, which stands for all
// of its queries; ok is false for a path that cannot.
func (r *request) fleetURLs(targets []string) (urls []controllog.URL, ok bool) {
	for _, target := range targets {
		path, query, _ := strings.Cut(target, "?")
		if query != "" {
			query = "?" + query
		}
		if !nameable(query) || len(target) > maxFleetTarget {
			query = ""
		}
		if !nameable(path) || len(path) > maxFleetTarget {
			return nil, false
		}
		urls = append(urls, controllog.URL{Host: strings.Clone(r.host), Path: strings.Clone(path), Query: strings.Clone(query)})
	}
	return urls, true
}

// nameable reports whether a purge can name a part of a target: control takes visible ASCII alone.
//
// INVARIANT: whatever is asked for is something that control takes. It is asked together with what others ask for.
func nameable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// fleetGroups are the tags of the groups that Cache-Group-Invalidation names (RFC 9875, 3). Where it names more than
// is kept of a response, that is any group of the host.
func (r *request) fleetGroups(response *Response) []string {
	names, ok := httpcache.InvalidatedGroups(r.method, response.Header)
	if !ok {
		return []string{invalidation.AnyGroupTag(r.host)}
	}
	var tags []string
	for _, name := range names {
		if tag, err := invalidation.GroupTag(r.host, name); err == nil { // no response is stored with another
			tags = append(tags, tag)
		}
	}
	return tags
}
