package holdings

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"sync"
	"time"

	"tiercache/shared/object"
)

// maxWalks is how many walks a node keeps at a time.
const maxWalks = 4

// Errors of questions for entries, in words for who asks.
var (
	errUnknownWalk = errors.New("the walk is not known: it was not asked for in time, or the node was restarted; begin another one")
	errWalkBusy    = errors.New("the walk is being asked for already")
	errManyWalks   = errors.New("too many walks are under way: ask again")
)

// walks are those under way. It is safe for concurrent use.
type walks struct {
	mu struct {
		sync.Mutex
		byID   map[string]*walk
		closed bool
	}
}

// walk is one way through the store. Who has taken it has it alone.
type walk struct {
	id      string
	service string
	number  int // of the last page
	next    func() (object.Item, error, bool)
	end     func()
	taken   bool        // guarded by walks.mu
	idle    *time.Timer // ends it; guarded by walks.mu
}

// begin makes a walk and takes it.
func (s *walks) begin(store object.Walker, service string) (*walk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed || len(s.mu.byID) >= maxWalks {
		return nil, errManyWalks
	}
	ctx, cancel := context.WithCancel(context.Background()) // it outlives the question
	w := &walk{id: rand.Text(), service: service, taken: true}
	next, stop := iter.Pull2(store.Walk(ctx))
	w.next, w.end = next, func() { cancel(); stop() }
	if s.mu.byID == nil {
		s.mu.byID = make(map[string]*walk)
	}
	s.mu.byID[w.id] = w
	return w, nil
}

// take takes a walk that was given back.
func (s *walks) take(id string) (*walk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.mu.byID[id]
	switch {
	case w == nil:
		return nil, errUnknownWalk
	case w.taken:
		return nil, errWalkBusy
	}
	w.idle.Stop()
	w.taken = true
	return w, nil
}

// giveBack keeps a walk for its next question, or ends it.
func (s *walks) giveBack(w *walk, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if over || s.mu.closed {
		s.drop(w)
		return
	}
	w.taken = false
	w.idle = time.AfterFunc(WalkIdle, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !w.taken {
			s.drop(w)
		}
	})
}

// drop ends a walk that nobody has taken but the caller. The lock is held.
func (s *walks) drop(w *walk) {
	if s.mu.byID[w.id] == w {
		delete(s.mu.byID, w.id)
		w.end()
	}
}

// close ends all walks. Nobody has taken one.
func (s *walks) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.closed = true
	for _, w := range s.mu.byID {
		if w.idle != nil {
			w.idle.Stop()
		}
		s.drop(w)
	}
}
