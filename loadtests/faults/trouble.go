package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tiercache/control/client"
)

const (
	// wellTime is how long the fleet may take to be well again when a fault is over: the 10 s that are promised, and what a
	// busy machine takes.
	wellTime = 15 * time.Second
	// pause is between two faults.
	pauseTime = time.Second
)

// kind is a kind of fault.
type kind struct {
	name string
	// alone: it comes with no other one. It may change what the other would put right.
	alone bool
	// begin makes the fault and says what it is. lift ends it.
	begin func(ctx context.Context, t *trouble) (what string, lift lift, err error)
	// lasts is how long it does at least; 0: a second.
	lasts time.Duration
}

// together reports whether two kinds may come at once: of one part two faults may be of different things, so that each can
// be ended by itself.
func (k *kind) together(other *kind) bool {
	thing, _, _ := strings.Cut(k.name, "-")
	same, _, _ := strings.Cut(other.name, "-")
	return !k.alone && !other.alone && thing != same
}

// lift ends a fault. Its error is one of the run.
type lift func(ctx context.Context) error

// trouble makes faults happen, one after the other or two at once, and ends each of them after a while.
type trouble struct {
	fleet  *fleet
	site   *upstream
	record *recorder
	cfg    *Config
	draw   *chance
	terms  map[uint64]bool // that were seen
	losses []*line         // of which the end is not known yet
}

func newTrouble(f *fleet, u *upstream, r *recorder, cfg *Config) *trouble {
	return &trouble{fleet: f, site: u, record: r, cfg: cfg, draw: newChance(cfg.Seed, "trouble"), terms: map[uint64]bool{}}
}

// run makes faults until the time is over. The order is a shuffled deck of all kinds, again and again, so that each comes
// about as often as the others.
func (t *trouble) run(ctx context.Context, lasts time.Duration) error {
	deadline := time.Now().Add(lasts)
	if err := t.seeTerms(ctx); err != nil {
		return err
	}
	var deck []kind
	for time.Now().Before(deadline) && rest(ctx, pauseTime) == nil {
		if len(deck) == 0 {
			deck = t.deck()
		}
		k := deck[0]
		deck = deck[1:]
		if err := t.make(ctx, k); err != nil {
			return fmt.Errorf("fault %s: %w", k.name, err)
		}
	}
	return nil
}

func (t *trouble) deck() []kind {
	deck := kinds()
	if len(t.cfg.Only) > 0 {
		deck = nil
		for _, name := range t.cfg.Only {
			k, _ := faultNamed(name) // checked by Validate
			deck = append(deck, k)
		}
	}
	for i := range deck {
		j := i + t.draw.below(len(deck)-i)
		deck[i], deck[j] = deck[j], deck[i]
	}
	return deck
}

// make makes a fault, and sometimes another one with it, ends both, and waits until all is well.
func (t *trouble) make(ctx context.Context, k kind) error {
	kinds := []kind{k}
	if other := pick(t.draw, t.deck()); t.draw.in(25) && k.together(&other) {
		kinds = append(kinds, other)
	}
	var lines []*line
	var lifts []lift
	lasts := time.Second
	for _, k := range kinds {
		l := &line{Op: opFault, Kind: k.name, Start: t.record.now()}
		what, lift, err := k.begin(ctx, t)
		if err != nil {
			return err
		}
		l.What = what
		say(t.cfg, "fault: %s", what)
		lines, lifts, lasts = append(lines, l), append(lifts, lift), max(lasts, k.lasts)
	}
	lasts += t.draw.between(0, 2*time.Second)
	if t.draw.in(30) {
		lasts += 3 * time.Second // longer than a lease
	}
	_ = rest(ctx, lasts) // ends early with the run
	over := t.record.now()
	for _, lift := range lifts {
		if err := lift(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	return errors.Join(t.recover(ctx, over, lines), t.account(ctx))
}

// recover waits until all is well again after faults that are over.
func (t *trouble) recover(ctx context.Context, over int64, lines []*line) error {
	lifted := t.record.now()
	err := t.settle(ctx, wellTime)
	for _, l := range lines {
		l.End, l.Lifted = over, lifted
		if err == nil {
			l.Well = t.record.now()
		} else {
			l.Error = err.Error()
		}
		if err == nil || ctx.Err() == nil {
			t.record.add(l)
		}
	}
	if err == nil || ctx.Err() != nil {
		return nil
	}
	say(t.cfg, "not well %v after it was over: %v", wellTime, err)
	return t.settle(ctx, startTime) // the faults that follow want a whole fleet
}

// account notes what a fault has done to the database: terms that are new, and what was lost.
func (t *trouble) account(ctx context.Context) error {
	if err := t.seeTerms(ctx); err != nil {
		return err
	}
	for _, l := range t.losses {
		l.End = t.record.now()
		t.record.add(l)
	}
	t.losses = nil
	return nil
}

// lose notes that another database is in the place of the last one from now on, and that something may not be in it.
func (t *trouble) lose(what string) {
	t.losses = append(t.losses, &line{Op: opLoss, What: what, Start: t.record.now()})
}

// seeTerms notes the terms that were not there before.
func (t *trouble) seeTerms(ctx context.Context) error {
	rows, err := t.log(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.Kind == "term" && !t.terms[r.Epoch] {
			t.terms[r.Epoch] = true
			t.record.add(&line{Op: opTerm, Epoch: r.Epoch, Prev: r.Prev, ID: r.ID, What: r.Term.Reason, Kind: r.Term.Purge, Start: t.record.now()})
		}
	}
	return nil
}

// log is the control log; a machine that is busy has some time to say it.
func (t *trouble) log(ctx context.Context) (rows []logRow, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		if rows, err = t.fleet.db.log(ctx); err == nil || rest(ctx, 100*time.Millisecond) != nil {
			return rows, err
		}
	}
}

// settle waits until the fleet is well: each node has all of the log and a lease, as both control nodes say, every part says
// that it is all right.
func (t *trouble) settle(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := t.fleet.unwell(ctx)
		if err == nil {
			return nil
		}
		if rest(ctx, 50*time.Millisecond) != nil {
			return err
		}
	}
}

// unwell says what is wrong with the fleet.
func (f *fleet) unwell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	for _, name := range []string{"control-1", "control-2"} {
		if err := f.unwellSays(ctx, name); err != nil {
			return err
		}
	}
	for _, name := range append(nodes(), origin, "control-1", "control-2") {
		if err := f.componentsOf(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// unwellSays is what a control node has to say about the others.
func (f *fleet) unwellSays(ctx context.Context, name string) error {
	control, err := client.New(client.Config{URL: "http://" + address(name), Token: f.token})
	if err != nil {
		return err
	}
	fleet, err := control.Fleet(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	members := 0
	for _, n := range fleet.Nodes {
		if n.Tier != "edge" && n.Tier != "regional" {
			continue
		}
		members++
		if !n.Ready || n.State != client.StateLive || n.Lease != client.LeaseLive || n.LagMS > 1000 {
			return fmt.Errorf("%s says: %s is ready %v, %s, its lease %s, its lag %d ms", name, n.Node, n.Ready, n.State, n.Lease, n.LagMS)
		}
	}
	if members != len(nodes()) {
		return fmt.Errorf("%s knows %d edges and regional nodes", name, members)
	}
	return nil
}

// componentsOf says what a part finds wrong with itself.
func (f *fleet) componentsOf(ctx context.Context, name string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+adminOf(name)+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := f.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // read to its end, or broken
	var report struct {
		Components map[string]struct {
			OK     bool   `json:"ok"`
			Detail string `json:"detail"`
		} `json:"components"`
	}
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return fmt.Errorf("%s: /readyz: %w", name, err)
	}
	var wrong []string
	for component, c := range report.Components {
		if !c.OK {
			wrong = append(wrong, component+": "+c.Detail)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s: %s", name, strings.Join(wrong, ", "))
	}
	return nil
}

// probe is the client that reads everything at the end.
const probe = "probe"

// finish reads everything at each edge once more and notes what the database has at the end.
func (t *trouble) finish(ctx context.Context, c *crowd) error {
	if err := t.settle(ctx, startTime); err != nil {
		return err
	}
	for _, node := range nodes() {
		for _, p := range c.pages {
			c.read(ctx, probe, node, p, nil, longPatience)
		}
	}
	if err := t.account(ctx); err != nil {
		return err
	}
	rows, err := t.log(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		t.record.add(&line{Op: opLog, Epoch: r.Epoch, Prev: r.Prev, ID: r.ID, Kind: r.Kind})
	}
	bodies, err := t.fleet.db.bodies(ctx)
	for _, body := range bodies {
		name, _, _ := strings.Cut(body, "=")
		t.record.add(&line{Op: opBody, Page: name, Version: versionIn(name, body)})
	}
	return err
}
