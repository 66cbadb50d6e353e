package local

import (
	"context"
	"time"

	"tiercache/shared/platform"
)

const (
	// latePatience is how long a start goes on in silence.
	latePatience = 5 * time.Second
	// lateInterval is how often the parts that are late are looked at from then on.
	lateInterval = 500 * time.Millisecond
)

// reportLate says which parts are late and why, once latePatience is over and whenever that changes, until ctx
// ends. A reason counts when it is there at two looks in a row: a part that is started again passes through some.
func reportLate(ctx context.Context, late func() []platform.Late, say func(service, line string)) {
	select {
	case <-time.After(latePatience - lateInterval):
	case <-ctx.Done():
		return
	}
	ticker := time.NewTicker(lateInterval)
	defer ticker.Stop()
	said, before := map[string]string{}, reasons(late())
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		parts := late()
		for _, part := range parts {
			if part.Why == before[part.Service] && part.Why != said[part.Service] {
				said[part.Service] = part.Why
				say(part.Service, "is not ready yet: "+part.Why)
			}
		}
		before = reasons(parts)
		for service := range said {
			if _, ok := before[service]; !ok {
				delete(said, service)
				say(service, "is ready")
			}
		}
	}
}

func reasons(parts []platform.Late) map[string]string {
	why := make(map[string]string, len(parts))
	for _, part := range parts {
		why[part.Service] = part.Why
	}
	return why
}
