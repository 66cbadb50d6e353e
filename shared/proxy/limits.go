package proxy

import (
	"context"
	"sync"
	"time"
)

// limits caps the fills in flight per service.
type limits struct {
	max   int
	slots sync.Map // service name -> chan struct{} of capacity max
}

// acquire takes a slot of the service, waiting at most wait. release must be called when ok.
func (l *limits) acquire(ctx context.Context, service string, wait time.Duration) (release func(), ok bool) {
	slots := l.of(service)
	release = func() { <-slots }
	select {
	case slots <- struct{}{}:
		return release, true
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case slots <- struct{}{}:
		return release, true
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil, false
}

func (l *limits) of(service string) chan struct{} {
	if slots, ok := l.slots.Load(service); ok {
		return slots.(chan struct{})
	}
	slots, _ := l.slots.LoadOrStore(service, make(chan struct{}, l.max))
	return slots.(chan struct{})
}

// inFlight is the number of fills in flight, by service.
func (l *limits) inFlight(each func(service string, n int)) {
	l.slots.Range(func(service, slots any) bool {
		each(service.(string), len(slots.(chan struct{})))
		return true
	})
}
