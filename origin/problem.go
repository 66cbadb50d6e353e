package origin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"tiercache/origin/api"
	"tiercache/shared/token"
)

// problem is an error with the status and the words for the client.
type problem struct {
	status int
	detail string
	allow  string // the methods that there are, for status 405
	epoch  uint64 // as of which it is known to be so, for status 404
}

func (p *problem) Error() string { return p.detail }

// refuse is a problem of the client's making.
func refuse(status int, format string, args ...any) *problem {
	return &problem{status: status, detail: fmt.Sprintf(format, args...)}
}

// absent is err, or, if err is ErrNotFound, the problem with the epoch as of which that is known.
func absent(err error, epoch uint64) error {
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	p := problemOf(err)
	p.epoch = epoch
	return p
}

// errBody marks what went wrong while a request's body was read.
var errBody = errors.New("read the body")

// problemOf decides what a client is told about err. Nothing of err's own text is in it unless it was
// written for clients.
func problemOf(err error) *problem {
	var own *problem
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, ErrNotFound):
		return refuse(http.StatusNotFound, "no object has this host and path")
	case errors.Is(err, ErrPrecondition):
		return refuse(http.StatusPreconditionFailed, "the object is not in the state that the request requires: read it again and decide anew")
	case errors.Is(err, ErrDigest):
		return refuse(http.StatusBadRequest, "the body does not have the SHA-256 digest that the request states; nothing was stored")
	case errors.Is(err, token.ErrForbidden):
		return refuse(http.StatusForbidden, "%s", err)
	case errors.Is(err, token.ErrMissing), errors.Is(err, token.ErrUnknown):
		return refuse(http.StatusUnauthorized, "%s", err)
	}
	return troubleOf(err)
}

// troubleOf is problemOf for what no client decides.
func troubleOf(err error) *problem {
	switch {
	case errors.Is(err, ErrUnavailable):
		return refuse(http.StatusServiceUnavailable, "the database is not available now; try again soon. A write may or may not have happened; it is safe to repeat it")
	case errors.Is(err, ErrDiskFull):
		return refuse(http.StatusInsufficientStorage, "the database's disk is full; nothing was stored. Make room there and try again")
	case errors.Is(err, ErrExpired), errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(http.StatusRequestTimeout, "the body came too slowly; nothing was stored")
	case errors.Is(err, context.Canceled):
		return refuse(http.StatusRequestTimeout, "the client ended the request")
	case errors.Is(err, errBody):
		return refuse(http.StatusBadRequest, "the body ended early or is malformed; nothing was stored")
	}
	return refuse(http.StatusInternalServerError, "the origin failed; its log has the details under this request id")
}

// fail answers with the problem that err is and logs it if it is a fault of ours. After the head of a
// reply has gone out, it can only cut the connection, so that the client sees that the body is not whole.
func (o *Origin) fail(w *reply, r *http.Request, err error) {
	p := problemOf(err)
	doc := api.Problem{Title: http.StatusText(p.status), Status: p.status, Detail: p.detail}
	if p.status == http.StatusInternalServerError {
		doc.RequestID = rand.Text()
		o.log.ErrorContext(r.Context(), "request failed", "request_id", doc.RequestID, "method", r.Method, "error", err)
	}
	if w.sent {
		panic(http.ErrAbortHandler)
	}
	w.discard()
	h := w.Header()
	switch p.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusMethodNotAllowed:
		h.Set("Allow", p.allow)
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		h.Set("Retry-After", "1")
	}
	stamp(h, p.epoch)
	if p.status != http.StatusNotFound { // how long a miss may be cached is for the service's policy to say
		h.Set("Cache-Control", "no-store")
	}
	writeJSON(w, p.status, "application/problem+json", doc)
	if w.sending {
		w.linger(r.Body)
	}
}

func writeJSON(w *reply, status int, contentType string, doc any) {
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err) // plain structs of ours
	}
	b = append(b, '\n')
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that has gone needs no answer
}
