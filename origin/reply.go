package origin

import (
	"io"
	"net/http"
	"time"
)

// reply is a ResponseWriter that sends its head with the first byte of the body, so that a reply whose
// body cannot be read at all still becomes an error. Each write gets stall to make progress.
type reply struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration

	status   int // 0: not decided
	sent     bool
	received int64     // bytes of the object taken from the client
	sending  bool      // the client has begun to send the object and has not ended
	begun    time.Time // when the request, or the object in it, had come: a wait counts from then
	bytes    int64     // of the body sent
	method   string
}

func newReply(w http.ResponseWriter, r *http.Request, stall time.Duration) *reply {
	p := &reply{ResponseWriter: w, control: http.NewResponseController(w), stall: stall, method: r.Method, begun: time.Now()}
	p.extend() // the deadline of the connection's previous reply may be over
	return p
}

// WriteHeader decides the status; the first decision counts.
func (w *reply) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write sends the head if need be, and p unless the method is HEAD.
func (w *reply) Write(p []byte) (int, error) {
	w.finish()
	if w.method == http.MethodHead {
		return len(p), nil
	}
	w.extend()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// finish sends the head of a reply that has no body.
func (w *reply) finish() {
	if w.sent {
		return
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.sent = true
	w.extend()
	w.ResponseWriter.WriteHeader(w.status)
}

// discard forgets a head that was not sent.
func (w *reply) discard() {
	w.status = 0
	clear(w.Header())
}

// lingerTime is how long a client may go on sending after its request was refused.
const lingerTime = time.Second

// linger sends the reply and takes what still comes of the request's body, for a moment. net/http does so
// by itself, but not for a body that it asked for with 100 (Continue): there it closes the connection at
// once, which resets it under a client that is still sending, and the reply can be lost (RFC 9112, 9.6).
func (w *reply) linger(body io.Reader) {
	if w.control.Flush() == nil && w.control.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, body) // ends when the client does, or with its time
	}
}

// extend gives the next write its time. A connection that has no deadlines is a test's.
func (w *reply) extend() { _ = w.control.SetWriteDeadline(time.Now().Add(w.stall)) }
