package follower

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"tiercache/shared/controllog"
)

const (
	// natsRenewTime is how long a renewal waits for NATS before HTTP is asked.
	natsRenewTime = 400 * time.Millisecond
	// natsFetchTime bounds a fetch over NATS.
	natsFetchTime = 2 * time.Second
	// natsRest is how long NATS is not asked again after it failed, when there is HTTP.
	natsRest = time.Second
)

// transport is a way to control.
type transport uint8

const (
	overNATS transport = iota + 1
	overHTTP
)

func (t transport) String() string {
	switch t {
	case overNATS:
		return "NATS"
	case overHTTP:
		return "HTTP"
	}
	return "nothing"
}

// renewal is one exchange that asks for a lease, and what came of it.
type renewal struct {
	seq     uint64
	join    bool
	applied uint64    // as it was sent
	chain   uint64    // the log's hash through applied
	lost    uint64    // an epoch that was applied and is not in the log; 0: none
	sent    time.Time // by the follower's clock, before anything was sent
	nats    bool      // NATS may be asked
	http    bool      // HTTP may be asked

	natsFailed bool // NATS was asked, in vain
	via        transport
	reply      controllog.RenewReply
	err        error
}

// errRefused: control answered and granted nothing.
var errRefused = errors.New("control refuses")

// exchange sends the renewal, over NATS first, and takes the first answer that is good.
func (f *Follower) exchange(ctx context.Context, r *renewal, leave bool) {
	request := controllog.Renew{
		Node: f.cfg.Node, Tier: f.cfg.Tier, Region: f.cfg.Region, Addr: f.cfg.Addr,
		Applied: r.applied, Chain: r.chain, Nonce: rand.Text(), Instance: f.instance, Join: r.join, Leave: leave, Lost: r.lost,
	}
	if r.join && f.disk != nil {
		request.Replaces = f.disk.Before()
	}
	payload, err := request.AppendJSON(nil)
	if err != nil {
		r.err = err
		return
	}
	r.err = errors.New("no way to control")
	if r.nats {
		answer, err := f.renewNATS(ctx, payload, request.Nonce, leave)
		if f.take(r, overNATS, answer, request.Nonce, err) || leave && r.err == nil {
			return
		}
		r.natsFailed = true
	}
	if r.http {
		answer, err := f.http.renew(ctx, payload)
		f.take(r, overHTTP, answer, request.Nonce, err)
	}
}

// renewNATS waits for an answer that grants something, or, for a node that leaves, for any.
func (f *Follower) renewNATS(ctx context.Context, payload []byte, nonce string, leave bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, natsRenewTime)
	defer cancel()
	return f.bus.Renew(ctx, f.cfg.Tier, f.cfg.Node, payload, func(answer []byte) bool {
		reply, err := decodeRenewReply(answer, nonce)
		return err == nil && (leave || reply.Refused == "")
	})
}

// take keeps what one way answered and reports whether that settles the renewal.
func (f *Follower) take(r *renewal, via transport, answer []byte, nonce string, err error) bool {
	var reply controllog.RenewReply
	if err == nil {
		if reply, err = decodeRenewReply(answer, nonce); err != nil {
			f.stats.Refused.Add(1)
		}
	}
	r.via, r.reply, r.err = via, reply, err
	return err == nil && (reply.Refused == "" || reply.Refused == controllog.RefusedUnknown || reply.Taken || reply.Branched)
}

// fetch is one request for what was missed, and what came of it.
type fetch struct {
	seq   uint64
	after uint64
	chain uint64 // the log's hash through after
	nats  bool
	whole bool // an image instead of entries

	via       transport
	head      uint64
	entries   []controllog.Entry
	compacted bool
	branched  bool
	image     *controllog.Image
	err       error
}

// retrieve does the fetch: entries over NATS, else over HTTP; an image over HTTP.
func (f *Follower) retrieve(ctx context.Context, r *fetch) {
	if r.whole {
		r.via = overHTTP
		r.image, r.err = f.http.image(ctx)
		return
	}
	var reply controllog.FetchReply
	if r.nats {
		r.via = overNATS
		reply, r.err = f.fetchNATS(ctx, controllog.Fetch{After: r.after, Chain: r.chain})
	}
	if !r.nats || r.err != nil && f.http != nil {
		r.via = overHTTP
		reply, r.err = f.http.fetch(ctx, controllog.Fetch{After: r.after, Chain: r.chain})
	}
	if r.err != nil {
		return
	}
	r.head, r.compacted, r.branched = reply.Head, reply.Compacted, reply.Branched
	// What came before a damaged entry is good.
	if r.entries, r.err = controllog.DecodeEntries(reply.Entries); r.err != nil {
		f.stats.Refused.Add(1)
	}
}

func (f *Follower) fetchNATS(ctx context.Context, request controllog.Fetch) (controllog.FetchReply, error) {
	ctx, cancel := context.WithTimeout(ctx, natsFetchTime)
	defer cancel()
	payload, err := json.Marshal(request)
	if err != nil {
		return controllog.FetchReply{}, err
	}
	answer, err := f.bus.Fetch(ctx, f.cfg.Tier, payload)
	if err != nil {
		return controllog.FetchReply{}, err
	}
	reply, err := controllog.DecodeFetchReply(answer)
	if err != nil {
		f.stats.Refused.Add(1)
		return reply, err
	}
	if reply.Refused != "" {
		return reply, errors.Join(errRefused, errors.New(reply.Refused))
	}
	return reply, nil
}
