package proxy

import (
	"sync"
	"time"
)

// maxDemands is how many requests a second, of each service on each node, have their directives honoured where rules say
// so. A client that says no-cache sends its request past what is stored: past the limit, such directives are ignored.
const maxDemands = 50

// demands counts such requests in seconds of the clock.
type demands struct{ services sync.Map } // name -> *demanded

type demanded struct {
	mu struct {
		sync.Mutex
		second int64
		n      int
	}
}

// take reports whether the service has room for one more at now.
func (d *demands) take(service string, now time.Time) bool {
	known, ok := d.services.Load(service)
	if !ok {
		known, _ = d.services.LoadOrStore(service, new(demanded))
	}
	s := known.(*demanded)
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := now.Unix(); second != s.mu.second {
		s.mu.second, s.mu.n = second, 0
	}
	s.mu.n++
	return s.mu.n <= maxDemands
}

// ration ignores the client's directives where rules honour them, but others have had their way too often.
func (p *Proxy) ration(r *request) {
	if !r.rules.HonourRequestDirectives || !r.parsed.Demands() {
		return
	}
	if !p.demands.take(r.service.Name, r.now) {
		r.rules.HonourRequestDirectives = false
		p.stats.DirectivesIgnored.Add(1)
	}
}
