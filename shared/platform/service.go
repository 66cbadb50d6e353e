package platform

import (
	"context"
	"time"
)

// Service is a child process that is to be there all the time.
type Service struct {
	// Name is unique within a Supervisor.
	Name string
	// Stage orders the end: a higher stage is stopped, and gone, before a lower one is asked to stop.
	// Services of one stage stop together. All stages start together.
	Stage int
	// Program says how to run it; it is called before each start and may prepare what the child needs.
	Program func(ctx context.Context) (Program, error)
	// Ready says why the child does not serve yet; nil when it does.
	Ready func(ctx context.Context) error
	// Final is an exit status by which the child says that another start would end the same; 0: it has none.
	Final int
	// Loud picks the lines of its output that people see at once; nil: none. All lines go to its log.
	Loud func(line string) bool
}

// Restarts come after 0.2 s, then twice as long each time up to 5 s; a child that lived for settled starts
// again from the shortest.
const (
	shortestPause = 200 * time.Millisecond
	longestPause  = 5 * time.Second
	settled       = 10 * time.Second
	// hopeless is how many times in a row a child may end before it has ever been ready: then it is not
	// a crash but a wrong setting, and the whole set is given up.
	hopeless = 5
)

// pauses counts out the waits between restarts.
type pauses struct{ next time.Duration }

// after is the wait after a child that lived for lived.
func (p *pauses) after(lived time.Duration) time.Duration {
	if p.next == 0 || lived >= settled {
		p.next = shortestPause
	}
	wait := p.next
	p.next = min(2*p.next, longestPause)
	return wait
}
