package proxy

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"tiercache/shared/flight"
	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
	"tiercache/shared/policy"
)

// stampOf is the epoch as of which a response is known to be good. A tier says it. For a foreign upstream it
// is what this node had applied when the attempt began, or as much earlier as the upstream may lag: had it
// been read later, a purge that came while the bytes were on their way would not count against them.
//
// asked is what the node that asked the upstream had applied when it asked, the stamp at least.
//
// INVARIANT: begun is the start of the attempt that yielded the bytes, never its end.
func (p *Proxy) stampOf(response *Response, service *policy.Match, begun time.Time, epoch uint64) (stamp, asked uint64) {
	switch {
	case response.FromTier:
		stamp = parseEpoch(value(response.Header, epochField))
		return stamp, max(stamp, parseEpoch(value(response.Header, askedField)))
	case service.UpstreamLag > 0:
		return p.control.AppliedAt(begun.Add(-service.UpstreamLag)), epoch
	}
	return epoch, epoch
}

// isStale reports whether a tier's response is stale and stands in for one that it could not get.
func isStale(response *Response) bool {
	return response.FromTier && value(response.Header, staleField) == staleIfError
}

// isLive reports whether the response is vouched for: by a tier that holds a lease, or because it comes from
// a foreign upstream itself.
func isLive(response *Response) bool {
	return !response.FromTier || value(response.Header, leaseField) == leaseLive
}

func value(h httpcache.Fields, name string) string {
	for v := range h.Values(name) {
		return v
	}
	return ""
}

// standing is what a response that has just come stands for.
type standing struct {
	stamp   uint64
	asked   uint64
	scopes  []object.Scope
	verdict invalidation.Verdict
	stale   bool // it stands in for one that did not come
}

// judge finds out what the response stands for. scopes are those of what it yields.
func (j *fill) judge(response *Response, begun time.Time, scopes []object.Scope) standing {
	s := standing{scopes: scopes, stale: isStale(response)}
	s.stamp, s.asked = j.p.stampOf(response, j.service, begun, j.epoch)
	if j.insisted {
		s.asked = max(s.asked, j.need) // a tier that cannot catch up with what it is told says so
	}
	s.verdict = j.p.control.Check(s.stamp, scopes)
	if s.verdict == invalidation.Dead {
		j.p.stats.Outrun.Add(1)
	}
	if j.background && (s.stale || s.verdict != invalidation.Live) {
		j.p.resting.rest(j.found, j.p.now())
	}
	return s
}

// behind reports whether a tier's response misses a purge that this node had applied when it first asked, so that
// the tier must be asked once more. That is no help
//   - where the tier has tried, and sends what is stale for want of anything newer: unless a hard purge has killed
//     that, it is what this node would send;
//   - where the upstream may lag, and was asked after the purge: no tier can know better;
//   - with an error that the tier made itself: it stands for nothing.
func (j *fill) behind(response *Response, s *standing) bool {
	switch {
	case !response.FromTier || s.verdict == invalidation.Live || s.stamp >= j.need:
		return false
	case s.stale && s.verdict == invalidation.Stale:
		return false
	case j.service.UpstreamLag > 0 && (j.insisted || s.asked >= j.need):
		return false
	}
	return response.Status < http.StatusBadRequest || value(response.Header, epochField) != ""
}

// insist asks the tier once more, now telling it how new its answer must be. A tier that is still behind then
// has nothing that could be given to anybody.
func (j *fill) insist(ctx context.Context, cancel context.CancelCauseFunc, f *flight.Flight[*result], response *Response) (keep bool) {
	j.closeBody(response)
	j.p.stats.Behind.Add(1)
	if j.insisted {
		j.failed(f, errBehind, response.Status)
		return false
	}
	j.insisted = true
	j.request.Header.Set(minEpochField, strconv.FormatUint(j.need, 10))
	return j.fetch(ctx, cancel, f)
}

// pauses remembers keys whose background refresh brought nothing newer, so that they are not asked for at
// once again. It is bounded: a full one forgets all.
type pauses struct {
	mu struct {
		sync.Mutex
		until map[string]time.Time
	}
}

const (
	// refreshPause is how long a key rests after such a refresh.
	refreshPause = time.Second
	maxPauses    = 4096
)

// rests reports whether the key rests at now.
func (s *pauses) rests(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.mu.until[key]
	if ok && now.After(until) {
		delete(s.mu.until, key)
		return false
	}
	return ok
}

// rest makes the key rest.
func (s *pauses) rest(key string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.until == nil || len(s.mu.until) >= maxPauses {
		s.mu.until = map[string]time.Time{}
	}
	s.mu.until[strings.Clone(key)] = now.Add(refreshPause)
}
