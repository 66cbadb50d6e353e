package sequencer

import (
	"context"
	"time"
)

// pass is one run of the sequencing statement for all who asked before it began.
type pass struct {
	done chan struct{} // closed once head and err are set
	head uint64
	err  error
}

// Head is the head of the log, read by a statement that began after the call and left the outbox empty as of
// its snapshot. When it returns, this node has applied and published every entry through it. Errors: those of
// Log, ErrStopped, ctx's.
func (s *Sequencer) Head(ctx context.Context) (uint64, error) {
	p, err := s.join()
	if err != nil {
		return 0, err
	}
	select {
	case <-p.done:
		return p.head, p.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// join is the pass that begins next.
func (s *Sequencer) join() (*pass, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.stopped {
		return nil, ErrStopped
	}
	if s.mu.next == nil {
		s.mu.next = &pass{done: make(chan struct{})}
		s.rouse()
	}
	return s.mu.next, nil
}

// rouse makes the loop go round at once.
func (s *Sequencer) rouse() {
	select {
	case s.wake <- struct{}{}:
	default: // it will already
	}
}

// pass runs one pass and reports whether it worked.
//
// INVARIANT: who waits is taken before the statement begins. Somebody who came later could otherwise be
// told a head that is older than their question, and a lease would outlive a purge.
func (s *Sequencer) pass(ctx context.Context) bool {
	p := s.begin()
	began := time.Now()
	p.head, p.err = s.round(ctx)
	s.deps.Polled(time.Since(began), p.err)
	s.note(ctx, p.err)
	close(p.done)
	return p.err == nil
}

// begin takes those who wait; the next who asks waits for another pass.
func (s *Sequencer) begin() *pass {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mu.next
	s.mu.next = nil
	if p == nil {
		p = &pass{done: make(chan struct{})}
	}
	return p
}

// note keeps health and log up to date; each change is logged once.
func (s *Sequencer) note(ctx context.Context, err error) {
	now := time.Now()
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.deps.Health.Fail(err.Error())
		if s.failing.IsZero() {
			s.failing = now
		}
		if !s.warned && now.Sub(s.failing) >= warnAfter {
			s.warned = true
			s.log.Warn("the control log cannot be read, trying on", "error", err)
		}
	default:
		s.polledAt.Store(now.UnixNano())
		if first := s.stats.Polls.Add(1) == 1; first || !s.failing.IsZero() {
			s.deps.Health.OK("")
		}
		if s.warned {
			s.log.Info("the control log can be read again")
		}
		s.failing, s.warned = time.Time{}, false
	}
}

// stop frees everybody who waits.
func (s *Sequencer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.stopped = true
	if p := s.mu.next; p != nil {
		p.err = ErrStopped
		close(p.done)
		s.mu.next = nil
	}
}
