package nodes

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/shared/controllog"
)

// imageTimeout bounds how long a node may take to read an image, which can be many megabytes.
const imageTimeout = time.Minute

// retrySeconds is what nodes are told to wait while PostgreSQL is away.
const retrySeconds = "1"

// Register adds the endpoints for nodes. They are not part of the API: a node shows the secret of its fleet
// in place of a token.
func (n *Nodes) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/node/renew", n.Known(n.serveRenew))
	mux.HandleFunc("GET /v1/node/log", n.Known(n.serveLog))
	mux.HandleFunc("GET /v1/node/image", n.Known(n.serveImage))
}

// Known lets nodes of this fleet in.
func (n *Nodes) Known(next http.HandlerFunc) http.HandlerFunc {
	want := sha256.Sum256([]byte(n.deps.Secret))
	return func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get(controllog.TierHeader)))
		if n.deps.Secret == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			Problem(w, http.StatusForbidden, "this is for the nodes of the fleet, who send its secret: see tier_token_file")
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		next(w, r)
	}
}

// Problem answers with an error (RFC 9457).
func Problem(w http.ResponseWriter, status int, detail string) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retrySeconds)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(&huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}) // fails when the client is gone
}

func (n *Nodes) serveRenew(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRenew))
	if err != nil {
		Problem(w, http.StatusBadRequest, "the renewal cannot be read")
		return
	}
	renew, err := decodeRenew(body)
	if err != nil {
		Problem(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), Timeout)
	defer cancel()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(n.answer(ctx, renew, n.arrived(renew)))
}

func (n *Nodes) serveLog(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 63)
	if err != nil {
		Problem(w, http.StatusBadRequest, "after is not an epoch")
		return
	}
	chain, _ := strconv.ParseUint(r.URL.Query().Get("chain"), 10, 64) // 0 for a node that says none
	ctx, cancel := context.WithTimeout(r.Context(), Timeout)
	defer cancel()
	answer := n.entries(ctx, controllog.Fetch{After: after, Chain: chain})
	w.Header().Set(controllog.HeadHeader, strconv.FormatUint(answer.Head, 10))
	switch {
	case answer.Branched:
		Problem(w, http.StatusConflict, errBranched.Error()+": fetch the image")
	case answer.Compacted:
		Problem(w, http.StatusGone, "the log does not reach back that far: fetch the image")
	case answer.Refused != "":
		Problem(w, http.StatusServiceUnavailable, answer.Refused)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(answer.Entries)
	}
}

func (n *Nodes) serveImage(w http.ResponseWriter, _ *http.Request) {
	image, epoch, err := n.deps.Sequencer.Image()
	if err != nil {
		Problem(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(imageTimeout)) // a connection that is gone ends by itself
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(image)))
	w.Header().Set(controllog.HeadHeader, strconv.FormatUint(epoch, 10))
	_, _ = w.Write(image)
}
