package origin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tiercache/origin/api"
)

const (
	// receiptsPath is where control tells nodes who has applied an epoch.
	receiptsPath = "/v1/node/receipts"

	// receiptMargin bounds how much earlier than the origin itself control is to answer.
	receiptMargin = 100 * time.Millisecond

	// maxReceipts bounds control's answer, in bytes: some thousands of nodes.
	maxReceipts = 4 << 20
)

// Notes for people about a receipt that says nothing about the nodes.
const (
	noteNoEpoch   = "the write is committed, but its epoch is not known yet; control sequences it as soon as it can"
	noteNoControl = "the origin has no control_url, so nobody can tell which nodes have applied the write"
	noteAway      = "control did not answer; the write is committed and reaches the nodes without it being waited for"
)

// newReceiptClient asks control without a proxy and keeps a few connections.
func newReceiptClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}}
}

// receipt waits until control says that every node has applied the epoch, wait is over or ctx ends. Whatever
// goes wrong, the write has happened: the answer is then that it is pending, and why.
func (o *Origin) receipt(ctx context.Context, epoch uint64, wait time.Duration) *api.Receipt {
	pending := &api.Receipt{Epoch: epoch, State: api.StatePending, Nodes: []api.NodeReceipt{}}
	switch {
	case epoch == 0:
		pending.Note = noteNoEpoch
		return pending
	case o.cfg.ControlURL == "":
		pending.Note = noteNoControl
		return pending
	}
	answer, err := o.askReceipt(ctx, epoch, wait)
	if err != nil {
		o.log.WarnContext(ctx, "no receipts from control", "epoch", epoch, "error", err)
		pending.Note = noteAway
		return pending
	}
	return answer
}

// askReceipt takes no longer than wait: a control that hangs must not make it longer.
func (o *Origin) askReceipt(ctx context.Context, epoch uint64, wait time.Duration) (*api.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	wait -= min(wait/10, receiptMargin)
	q := url.Values{"epoch": {strconv.FormatUint(epoch, 10)}, "wait": {wait.String()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(o.cfg.ControlURL, "/")+receiptsPath+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Tiercache-Tier", o.tierToken)
	resp, err := o.control.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("control answers %s", resp.Status)
	}
	var answer api.Receipt
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReceipts)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read control's answer: %w", err)
	}
	if answer.Epoch != epoch {
		return nil, errors.New("control answers for another epoch")
	}
	return &answer, nil
}

// waitOf is how long a write's request wants to wait for receipts, 0 for not at all. Other parameters are
// refused: the question mark may be meant as part of the object's name.
func waitOf(r *http.Request) (time.Duration, error) {
	q, err := queryOf(r, api.WaitParameter)
	switch {
	case err != nil:
		return 0, err
	case !q.has(api.WaitParameter):
		if r.URL.RawQuery != "" || r.URL.ForceQuery {
			return 0, refuse(http.StatusBadRequest, "the query is empty; a question mark in the object's name is written %%3F")
		}
		return 0, nil
	}
	text := q.values.Get(api.WaitParameter)
	wait, err := time.ParseDuration(text)
	if err != nil || wait <= 0 || wait > api.MaxWait {
		return 0, refuse(http.StatusBadRequest, "wait %q is not a time above 0 and up to %v, such as 2s", text, api.MaxWait)
	}
	return wait, nil
}

// place is what the answer to a write says about its place in the log; with a wait it comes with receipts. The time
// that the write itself has taken is part of the wait, but what control knows is asked for in any case.
func (o *Origin) place(ctx context.Context, w *reply, epoch uint64, wait time.Duration) api.Write {
	var place api.Write
	if epoch == 0 {
		place.Note = noteNoEpoch
	} else {
		place.Epoch = &epoch
		w.Header().Set(api.EpochField, strconv.FormatUint(epoch, 10))
	}
	if wait > 0 {
		left := wait - time.Since(w.begun)
		place.Receipt = o.receipt(ctx, epoch, max(left, min(wait, receiptMargin)))
	}
	return place
}
