package proxy

import "sync"

// underWay counts what is under way. Unlike a WaitGroup it may be waited for while more begins. The zero value is ready
// to use.
type underWay struct {
	mu struct {
		sync.Mutex
		n    int
		idle chan struct{} // closed when n gets 0; nil: nobody waits for that
	}
}

func (u *underWay) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mu.n++
}

func (u *underWay) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.mu.n--; u.mu.n == 0 && u.mu.idle != nil {
		close(u.mu.idle)
		u.mu.idle = nil
	}
}

// none returns a channel that is closed once nothing was under way, at the call or later.
func (u *underWay) none() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	idle := u.mu.idle
	if idle == nil {
		idle = make(chan struct{})
		if u.mu.n == 0 {
			close(idle)
		} else {
			u.mu.idle = idle
		}
	}
	return idle
}
