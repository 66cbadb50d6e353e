package peers

import "io"

// slotBody gives its slot back when the body is closed.
type slotBody struct {
	io.ReadCloser
	slots  chan struct{}
	closed bool
}

func (b *slotBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	<-b.slots
	return b.ReadCloser.Close()
}
