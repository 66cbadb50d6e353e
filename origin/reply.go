package origin

import (
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
	received int64 // bytes of the object taken from the client
	bytes    int64 // of the body sent
	method   string
}

func newReply(w http.ResponseWriter, r *http.Request, stall time.Duration) *reply {
	p := &reply{ResponseWriter: w, control: http.NewResponseController(w), stall: stall, method: r.Method}
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

// extend gives the next write its time. A connection that has no deadlines is a test's.
func (w *reply) extend() { _ = w.control.SetWriteDeadline(time.Now().Add(w.stall)) }
