package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"tiercache/control/client"
	"tiercache/control/members"
	"tiercache/control/nodes"
)

// serveReceipts tells the origin, for those who write objects, which nodes have applied a write.
func (c *Control) serveReceipts(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	epoch, err := strconv.ParseUint(query.Get("epoch"), 10, 63)
	if err != nil {
		nodes.Problem(w, http.StatusBadRequest, "epoch is not an epoch")
		return
	}
	wait, err := duration(query.Get("wait"))
	if err != nil {
		nodes.Problem(w, http.StatusBadRequest, err.Error())
		return
	}
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Time{})                          // a connection that is gone
	_ = conn.SetWriteDeadline(time.Now().Add(wait + writeTimeout)) // ends by itself
	receipts, err := c.receipts(r.Context(), epoch, wait)
	switch {
	case errors.Is(err, members.ErrNotSeen):
		nodes.Problem(w, http.StatusNotFound, err.Error())
	case err != nil:
		nodes.Problem(w, http.StatusServiceUnavailable, nodes.Outside(err))
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(receipts)
	}
}

// receipts are those for an epoch, once complete or after wait.
func (c *Control) receipts(ctx context.Context, epoch uint64, wait time.Duration) (client.Receipts, error) {
	if c.sequencer.Applied() < epoch {
		bounded, cancel := context.WithTimeout(ctx, nodes.Timeout)
		defer cancel()
		if _, err := c.sequencer.Head(bounded); err != nil {
			return client.Receipts{}, err
		}
	}
	return c.members.Receipts(ctx, epoch, wait)
}
