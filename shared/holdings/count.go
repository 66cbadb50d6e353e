package holdings

import (
	"context"
	"fmt"
	"math"
	"time"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

const (
	// countAll is Config.CountAll unless it is set.
	countAll = 50_000
	// wanted is the error, as a part of what it is the error of, that is good enough to stop at. Below it what is said
	// is within a tenth.
	wanted = 0.05
	// confidence is how many standard errors the error is that is told: 95 %.
	confidence = 1.96
	// countCheck is how often, in values, it is asked whether that is enough.
	countCheck = 1024
)

// count looks at entries until it has seen all, or knows well enough, or its time is over. What has been seen of a walk
// is a random sample: see object.Walker.
func (h *Holdings) count(ctx context.Context, q *CountQuestion) (*Count, error) {
	scopes := Unpack(q.Scopes)
	if len(scopes) > MaxCounted {
		return nil, fmt.Errorf("a count of %d scopes, at most %d", len(scopes), MaxCounted)
	}
	total, err := h.deps.Store.Values(ctx)
	if err != nil {
		return nil, err
	}
	limit := min(time.Duration(q.Micros)*time.Microsecond, MaxCountTime)
	s := sample{least: h.cfg.CountAll, named: make(map[object.Scope]struct{}, len(scopes)), all: q.All, end: time.Now().Add(limit), of: total}
	for _, scope := range scopes {
		s.named[scope] = struct{}{}
	}
	for item, err := range h.deps.Store.Walk(ctx) {
		if err != nil {
			return nil, err
		}
		s.add(&item, h.deps.View)
		if s.enough() {
			return s.estimate(), nil
		}
	}
	return &Count{Objects: s.objects, Bytes: int64(s.bytes), Exact: true, Seen: s.seen, Of: s.seen}, nil
}

// sample is what a count has seen so far.
type sample struct {
	least int // values to look at in any case
	named map[object.Scope]struct{}
	all   bool
	end   time.Time
	of    int // values in all

	seen    int
	objects int64   // that are concerned
	bytes   float64 // of them
	squares float64 // sum of the squares of their bytes
	largest float64 // the most bytes of one
	checked int     // seen at the last look whether it is enough
}

// add looks at one more value.
func (s *sample) add(item *object.Item, view View) {
	s.seen = item.Passed
	var head object.Head
	if object.DecodeHead(item.Value, &head) != nil || head.Kind != object.KindResponse {
		return
	}
	if !s.concerns(&head) || view.Check(head.Stamp, head.Scopes) == invalidation.Dead {
		return
	}
	b := float64(bytesOf(item, &head))
	s.objects++
	s.bytes += b
	s.squares += b * b
	s.largest = max(s.largest, b)
}

func (s *sample) concerns(head *object.Head) bool {
	if s.all {
		return true
	}
	for i := range head.Scopes {
		if _, named := s.named[head.Scopes[i]]; named {
			return true
		}
	}
	return false
}

// enough reports whether what was seen says all that needs to be said, or time is over.
func (s *sample) enough() bool {
	if s.seen-s.checked < countCheck {
		return false
	}
	s.checked = s.seen
	if !time.Now().Before(s.end) {
		return true
	}
	if s.seen < s.least {
		return false
	}
	e := s.estimate()
	return e.Objects > 0 && float64(e.ObjectsError) <= wanted*float64(e.Objects) && float64(e.BytesError) <= wanted*float64(e.Bytes)
}

// estimate scales what was seen up to the whole store. Each value that was seen yields 0, or 1 object and its bytes:
// of a mean of n values out of N, drawn without putting back, the standard error is s·sqrt((1-n/N)/n).
func (s *sample) estimate() *Count {
	n := float64(s.seen)
	all := math.Max(float64(s.of), n) // it may have grown meanwhile
	scale, left := all/n, 1-n/all
	off := func(variance float64) int64 {
		return int64(math.Ceil(confidence * all * math.Sqrt(math.Max(variance, 0)*left/n)))
	}
	// After Agresti and Coull, as if two more were found and two more were not: few say little of how far off they are.
	share := (float64(s.objects) + 2) / (n + 4)
	c := &Count{
		Objects: int64(math.Round(float64(s.objects) * scale)), Bytes: int64(math.Round(s.bytes * scale)), Seen: s.seen, Of: int(all),
		ObjectsError: off(share * (1 - share)), BytesError: off(s.squares/n - (s.bytes/n)*(s.bytes/n)),
	}
	// Sizes are not normal: of few that were not seen one may be as large as the largest.
	if left > 0 {
		c.BytesError = max(c.BytesError, int64(s.largest))
	}
	// Of nothing that was found there may still be three of as many values as were seen, with 95 % confidence.
	if s.objects == 0 {
		c.ObjectsError = int64(math.Ceil(3 * scale * left))
	}
	return c
}
