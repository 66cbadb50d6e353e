package encoding

import (
	"io"
	"sync"
)

// part is what one read of a body yielded.
type part struct {
	data []byte
	err  error
}

// pump reads a body ahead, in a goroutine of its own that ends with the body or with close, so that who compresses
// knows whether there is more at the moment.
type pump struct {
	body   io.ReadCloser
	parts  chan part     // closed by nobody: the last part has an error
	free   chan []byte   // buffers to read into
	closed chan struct{} // closed by close
	once   sync.Once
}

func newPump(body io.ReadCloser) *pump {
	p := &pump{body: body, parts: make(chan part, 1), free: make(chan []byte, 2), closed: make(chan struct{})}
	for range cap(p.free) {
		p.free <- make([]byte, chunkBytes)
	}
	go p.run()
	return p
}

func (p *pump) run() {
	for {
		var buf []byte
		select {
		case buf = <-p.free:
		case <-p.closed:
			return
		}
		n, err := p.body.Read(buf)
		select {
		case p.parts <- part{buf[:n], err}:
		case <-p.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

// poll is the next part, if there is one.
func (p *pump) poll() (part, bool) {
	select {
	case next := <-p.parts:
		return next, true
	default:
		return part{}, false
	}
}

// wait is the next part.
func (p *pump) wait() part { return <-p.parts }

// recycle gives a part's buffer back.
func (p *pump) recycle(data []byte) { p.free <- data[:chunkBytes] }

// close closes the body, which ends a read that is under way.
func (p *pump) close() error {
	p.once.Do(func() { close(p.closed) })
	return p.body.Close()
}
