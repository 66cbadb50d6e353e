package sequencer

import (
	"errors"
	"sync"
	"time"
)

// imageAge is how old an image may be that is handed out: who starts from it fetches the entries behind it.
const imageAge = 2 * time.Second

// ErrNotLoaded: the log has not been read yet.
var ErrNotLoaded = errors.New("the control log has not been loaded yet")

// image is the last encoded image. The mutex is held while one is made, so that many who ask at once cost one.
type image struct {
	mu struct {
		sync.Mutex
		encoded []byte
		epoch   uint64
		at      time.Time
	}
}

// Image is what this node has made of the log, encoded, and its epoch: where a node starts that has nothing,
// or too little. Nobody may change it. Errors: ErrNotLoaded.
func (s *Sequencer) Image() (encoded []byte, epoch uint64, err error) {
	s.image.mu.Lock()
	defer s.image.mu.Unlock()
	if s.image.mu.encoded != nil && time.Since(s.image.mu.at) < imageAge {
		return s.image.mu.encoded, s.image.mu.epoch, nil
	}
	replica := s.replica.Load()
	if replica == nil {
		return nil, 0, ErrNotLoaded
	}
	made := replica.Image()
	if encoded, err = made.AppendBinary(nil); err != nil {
		return nil, 0, err
	}
	s.image.mu.encoded, s.image.mu.epoch, s.image.mu.at = encoded, made.Applied(), time.Now()
	return encoded, made.Applied(), nil
}

// forgetImage drops one of a branch of the log that may be lost.
func (s *Sequencer) forgetImage() {
	s.image.mu.Lock()
	defer s.image.mu.Unlock()
	s.image.mu.encoded = nil
}
