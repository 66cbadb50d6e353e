package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/control/members"
	"tiercache/shared/controllog"
)

// imageTimeout bounds how long a node may take to read an image, which can be many megabytes.
const imageTimeout = time.Minute

// register adds the endpoints for nodes. They are not part of the API: a node shows the secret of its fleet
// in place of a token.
func (n *nodes) register(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/node/renew", n.known(n.serveRenew))
	mux.HandleFunc("GET /v1/node/log", n.known(n.serveLog))
	mux.HandleFunc("GET /v1/node/image", n.known(n.serveImage))
	mux.HandleFunc("GET /v1/node/receipts", n.known(n.serveReceipts))
	mux.HandleFunc("POST /v1/node/invalidations", n.known(n.serveInvalidation))
}

// known lets nodes of this fleet in.
func (n *nodes) known(next http.HandlerFunc) http.HandlerFunc {
	want := sha256.Sum256([]byte(n.control.tier))
	return func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get(controllog.TierHeader)))
		if n.control.tier == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			problem(w, http.StatusForbidden, "this is for the nodes of the fleet, who send its secret: see tier_token_file")
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		next(w, r)
	}
}

// problem answers with an error (RFC 9457).
func problem(w http.ResponseWriter, status int, detail string) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retrySeconds)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(&huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}) // fails when the client is gone
}

func (n *nodes) serveRenew(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRenew))
	if err != nil {
		problem(w, http.StatusBadRequest, "the renewal cannot be read")
		return
	}
	renew, err := decodeRenew(body)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(n.answer(ctx, renew, n.arrived(renew)))
}

func (n *nodes) serveLog(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 63)
	if err != nil {
		problem(w, http.StatusBadRequest, "after is not an epoch")
		return
	}
	chain, _ := strconv.ParseUint(r.URL.Query().Get("chain"), 10, 64) // 0 for a node that says none
	ctx, cancel := context.WithTimeout(r.Context(), nodeTimeout)
	defer cancel()
	answer := n.entries(ctx, controllog.Fetch{After: after, Chain: chain})
	w.Header().Set(controllog.HeadHeader, strconv.FormatUint(answer.Head, 10))
	switch {
	case answer.Branched:
		problem(w, http.StatusConflict, errBranched.Error()+": fetch the image")
	case answer.Compacted:
		problem(w, http.StatusGone, "the log does not reach back that far: fetch the image")
	case answer.Refused != "":
		problem(w, http.StatusServiceUnavailable, answer.Refused)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(answer.Entries)
	}
}

func (n *nodes) serveImage(w http.ResponseWriter, _ *http.Request) {
	image, epoch, err := n.control.sequencer.Image()
	if err != nil {
		problem(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(imageTimeout)) // a connection that is gone ends by itself
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(image)))
	w.Header().Set(controllog.HeadHeader, strconv.FormatUint(epoch, 10))
	_, _ = w.Write(image)
}

// serveReceipts tells the origin, for those who write objects, which nodes have applied a write.
func (n *nodes) serveReceipts(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	epoch, err := strconv.ParseUint(query.Get("epoch"), 10, 63)
	if err != nil {
		problem(w, http.StatusBadRequest, "epoch is not an epoch")
		return
	}
	wait, err := duration(query.Get("wait"))
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Time{})                          // a connection that is gone
	_ = conn.SetWriteDeadline(time.Now().Add(wait + writeTimeout)) // ends by itself
	receipts, err := n.receipts(r.Context(), epoch, wait)
	switch {
	case errors.Is(err, members.ErrNotSeen):
		problem(w, http.StatusNotFound, err.Error())
	case err != nil:
		problem(w, http.StatusServiceUnavailable, outside(err))
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(receipts)
	}
}

// receipts are those for an epoch, once complete or after wait.
func (n *nodes) receipts(ctx context.Context, epoch uint64, wait time.Duration) (client.Receipts, error) {
	c := n.control
	if c.sequencer.Applied() < epoch {
		bounded, cancel := context.WithTimeout(ctx, nodeTimeout)
		defer cancel()
		if _, err := c.sequencer.Head(bounded); err != nil {
			return client.Receipts{}, err
		}
	}
	return c.members.Receipts(ctx, epoch, wait)
}
