package fleet

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"tiercache/control/client"
	"tiercache/loadtests/processes"
	"tiercache/shared/bus"
)

// Measured is what was measured of a fleet of one size.
type Measured struct {
	Followers int
	Load      string // of the machine, after the purges

	// From the commit of a purge until the last follower had applied it, and until half of them had: quantiles over the purges.
	LastP50, LastP99, LastMax time.Duration
	HalfP50                   time.Duration

	// Memory, in bytes: of a follower, index and connection included; of NATS and of control, per follower.
	FollowerBytes, NATSBytes, ControlBytes float64

	// What a follower sends and receives, in bytes, a second while nothing happens, and more for each purge.
	Idle, Purge Bytes

	// Processor time of the servers: a second while nothing happens, and more for each purge.
	IdleCPU, BusyCPU CPU

	Fetches uint64 // entries that followers had to ask for: NATS had lost them
}

// Bytes are what a follower has sent and received.
type Bytes struct{ Sent, Received float64 }

// CPU is processor time by who has used it.
type CPU struct{ Control, NATS, PostgreSQL, Followers time.Duration }

// moment is what had been used and said until then.
type moment struct {
	at      time.Time
	usage   usage
	traffic bus.Traffic
	fetches uint64
}

// measure looks at an idle fleet, then purges. empty is what the servers took before there were followers.
func (r *run) measure(ctx context.Context, empty usage) (m Measured, err error) {
	m.Followers = r.size
	if err := wait(ctx, 2*time.Second); err != nil { // what joining has caused is over
		return m, err
	}
	began, _, err := r.now(ctx)
	if err != nil {
		return m, err
	}
	r.say("%d followers have nothing to do for %v", r.size, r.cfg.Idle)
	if err := wait(ctx, r.cfg.Idle); err != nil {
		return m, err
	}
	idle, _, err := r.now(ctx)
	if err != nil {
		return m, err
	}
	r.say("%d purges, one by one", r.cfg.Purges)
	purged, waited := idle, waits(nil)
	var seen []sight
	for n := range r.cfg.Purges {
		if _, err := r.control.CreatePurge(ctx, client.PurgeRequest{Tags: []string{"fleet"}}, ""); err != nil {
			return m, err
		}
		if err := wait(ctx, pace); err != nil {
			return m, err
		}
		if purged, waited, err = r.applied(ctx, n+1, &seen); err != nil {
			return m, err
		}
	}
	m.Load = processes.Load()
	m.quantify(waited)
	m.compare(began, idle, purged, empty, r.cfg.Purges)
	return m, nil
}

// now is the moment, and what the followers have seen since the last one.
func (r *run) now(ctx context.Context) (at moment, sights []sight, err error) {
	at.at = time.Now()
	if at.usage, err = r.usage(); err != nil {
		return at, nil, err
	}
	for _, h := range r.herds {
		s, err := h.look(ctx)
		if err != nil {
			return at, nil, err
		}
		at.traffic, at.fetches = at.traffic.Plus(s.Traffic), at.fetches+s.Fetches
		sights = append(sights, s.Sights...)
	}
	return at, sights, nil
}

// waits are, for each purge, how long each follower took, ascending.
type waits [][]time.Duration

// applied waits until every follower has applied so many purges, and adds what they see to seen.
func (r *run) applied(ctx context.Context, count int, seen *[]sight) (moment, waits, error) {
	purges, err := r.purges(ctx, count)
	if err != nil {
		return moment{}, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		at, more, err := r.now(ctx)
		if err != nil {
			return at, nil, err
		}
		*seen = append(*seen, more...)
		waited := took(purges, *seen)
		slowest := slices.MinFunc(waited, func(a, b []time.Duration) int { return len(a) - len(b) })
		if len(slowest) >= r.size {
			return at, waited, nil
		}
		if err := wait(ctx, pace/10); err != nil {
			return at, nil, fmt.Errorf("%d of %d followers have applied a purge: %w", len(slowest), r.size, err)
		}
	}
}

// committed is a purge.
type committed struct {
	epoch uint64
	at    int64 // when it got its number, in the transaction that committed it; Unix us
}

// purges are those of this measurement, oldest first.
func (r *run) purges(ctx context.Context, count int) (purges []committed, err error) {
	rows, err := r.db.Query(ctx, `SELECT l.epoch, (extract(epoch FROM p.created_at) * 1000000)::bigint FROM tiercache.purges p
		JOIN tiercache.log l ON l.id = p.id || '/0' ORDER BY l.epoch`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c committed
		if err := rows.Scan(&c.epoch, &c.at); err != nil {
			return nil, err
		}
		purges = append(purges, c)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(purges) != count {
		return nil, fmt.Errorf("%d purges are in the log, and %d were asked for", len(purges), count)
	}
	return purges, nil
}

// took sorts what was seen by purge. A follower that is late may apply several at once.
func took(purges []committed, sights []sight) waits {
	waited := make(waits, len(purges))
	for _, s := range sights {
		for i := sort.Search(len(purges), func(i int) bool { return purges[i].epoch > s.From }); i < len(purges) && purges[i].epoch <= s.Epoch; i++ {
			waited[i] = append(waited[i], time.Duration(max(0, s.At-purges[i].at))*time.Microsecond)
		}
	}
	for _, w := range waited {
		slices.Sort(w)
	}
	return waited
}

// quantify reads the quantiles.
func (m *Measured) quantify(waited waits) {
	var last, half []time.Duration
	for _, w := range waited {
		last, half = append(last, w[len(w)-1]), append(half, w[len(w)/2])
	}
	slices.Sort(last)
	slices.Sort(half)
	m.LastP50, m.LastP99, m.LastMax = quantile(last, 0.5), quantile(last, 0.99), last[len(last)-1]
	m.HalfP50 = quantile(half, 0.5)
}

func quantile(ascending []time.Duration, q float64) time.Duration {
	return ascending[min(len(ascending)-1, int(q*float64(len(ascending))))]
}

// compare makes rates of the moments.
func (m *Measured) compare(began, idle, purged moment, empty usage, purges int) {
	n := float64(m.Followers)
	quiet, busy := idle.at.Sub(began.at), purged.at.Sub(idle.at)
	m.Idle = perFollower(began.traffic, idle.traffic, n*quiet.Seconds())
	all := perFollower(idle.traffic, purged.traffic, n)
	m.Purge = Bytes{
		Sent:     (all.Sent - m.Idle.Sent*busy.Seconds()) / float64(purges),
		Received: (all.Received - m.Idle.Received*busy.Seconds()) / float64(purges),
	}
	m.IdleCPU = idle.usage.cpu.minus(began.usage.cpu).over(quiet.Seconds())
	// Idle time is not taken off: where renewals come in bunches, behind a purge, one read of the head serves many of them.
	m.BusyCPU = purged.usage.cpu.minus(idle.usage.cpu).over(busy.Seconds())
	m.FollowerBytes = float64(purged.usage.followers) / n
	m.NATSBytes = float64(purged.usage.nats-empty.nats) / n
	m.ControlBytes = float64(purged.usage.control-empty.control) / n
	m.Fetches = purged.fetches - began.fetches
}

func perFollower(before, after bus.Traffic, n float64) Bytes {
	return Bytes{Sent: float64(after.OutBytes-before.OutBytes) / n, Received: float64(after.InBytes-before.InBytes) / n}
}

func (c CPU) minus(o CPU) CPU {
	return CPU{c.Control - o.Control, c.NATS - o.NATS, c.PostgreSQL - o.PostgreSQL, c.Followers - o.Followers}
}

func (c CPU) over(n float64) CPU {
	part := func(d time.Duration) time.Duration { return time.Duration(float64(d) / n) }
	return CPU{part(c.Control), part(c.NATS), part(c.PostgreSQL), part(c.Followers)}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
