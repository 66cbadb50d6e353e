package simulation

import "sync"

// crew runs what would be goroutines of their own in goroutines that have run others before: these have the stack that
// it takes.
type crew struct {
	mu    sync.Mutex
	idle  []chan func() // of those that have nothing to do; closed at the end
	ended bool
}

// do runs work, and does not wait for it.
func (c *crew) do(work func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.idle) - 1
	if last < 0 {
		go c.work(work)
		return
	}
	c.idle[last] <- work // has room
	c.idle = c.idle[:last]
}

func (c *crew) work(work func()) {
	next := make(chan func(), 1)
	for ok := true; ok; work, ok = <-next {
		work()
		if !c.rest(next) {
			return
		}
	}
}

// rest is false when there is no more work.
func (c *crew) rest(next chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.idle = append(c.idle, next)
	}
	return !c.ended
}

// end sends home those that have nothing to do, and the others when they are done.
func (c *crew) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, next := range c.idle {
		close(next)
	}
	c.idle = nil
}
