package sequencer

import (
	"sync"

	"tiercache/shared/controllog"
)

// maxHeard bounds the epochs that were heard before they were read.
const maxHeard = 16 << 10

// heard is which entries came over the bus before this node read them: who sequenced them has published them.
type heard struct {
	mu struct {
		sync.Mutex
		through uint64 // read; not kept below
		epochs  map[uint64]struct{}
	}
}

// add notes an epoch and reports whether it is news.
func (h *heard) add(epoch uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if epoch <= h.mu.through {
		return false
	}
	if h.mu.epochs == nil || len(h.mu.epochs) >= maxHeard {
		h.mu.epochs = make(map[uint64]struct{}) // they will be published once more
	}
	h.mu.epochs[epoch] = struct{}{}
	return true
}

func (h *heard) has(epoch uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.mu.epochs[epoch]
	return ok
}

// forget drops the epochs through the one given.
func (h *heard) forget(through uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if through == h.mu.through {
		return
	}
	h.mu.through = through
	for epoch := range h.mu.epochs {
		if epoch <= through {
			delete(h.mu.epochs, epoch)
		}
	}
}

// hear is called for each message of the log. Entries that this node has not read yet are read at once.
func (s *Sequencer) hear(payload []byte) {
	entries, err := controllog.DecodeEntries(payload)
	if err != nil {
		s.stats.Unreadable.Add(1)
		return
	}
	news := false
	for i := range entries {
		news = s.heard.add(entries[i].Epoch) || news
	}
	if news {
		s.rouse()
	}
}

// publish sends what was not heard, several entries a message. A message that cannot be sent is only
// counted: nodes find what they miss when they renew.
func (s *Sequencer) publish(entries []controllog.Entry) {
	if s.deps.Bus == nil {
		return
	}
	var message []byte
	for i := range entries {
		e := &entries[i]
		if s.heard.has(e.Epoch) {
			continue
		}
		before := len(message)
		message = controllog.AppendEntry(message, e)
		switch size := len(message) - before; {
		case size > controllog.HintSize:
			message = controllog.AppendHint(message[:before], e)
		case before > 0 && len(message) > controllog.HintSize:
			s.send(message[:before])
			message = append([]byte(nil), message[before:]...)
		}
	}
	s.send(message)
}

func (s *Sequencer) send(message []byte) {
	if len(message) == 0 {
		return
	}
	if err := s.deps.Bus.PublishLog(message); err != nil {
		s.stats.Unpublished.Add(1)
		return
	}
	s.stats.Published.Add(1)
}
