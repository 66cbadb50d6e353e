package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// database is the double of PostgreSQL as far as the control log and the origin's objects are concerned. Each method is
// one transaction or one statement: the mutex is held meanwhile, so that its snapshot is of one moment. A writer's
// transaction is a transaction (transaction.go).
type database struct {
	mu       sync.Mutex
	flaws    flaws
	down     bool
	started  time.Time // of the server
	system   int       // of the cluster
	timeline int
	state    tables
	sequence uint64 // of a flaw: numbers are taken when a row is inserted
}

// tables is what a backup has.
type tables struct {
	outbox   []outboxRow
	log      []controllog.Row
	members  map[string]postgres.Member
	departed map[string]time.Time
	pages    map[string][]version // of objects and of the site, by resource: all since the start, the present one last
	clock    time.Time            // of what was written last, so that times differ

	// The row of the server on which the term was made.
	known     bool
	system    int
	timeline  int
	started   time.Time
	heard     uint64
	branched  bool
	lost      uint64 // an epoch that somebody has and the log has lost; 0: none
	compacted uint64
}

// outboxRow is a committed row without a number.
type outboxRow struct {
	id, kind string
	body     []byte
	object   string // whose write it is; "" for none
	reserved uint64 // of a flaw
}

// flaws switch mechanisms of the double off, which are SQL in what ships.
type flaws struct {
	numbersByInsert bool // epochs are drawn from a SEQUENCE when the row is inserted
	twoStatements   bool // an object and the epoch that it is of are read in two statements
	reuse           bool // a term goes on behind the head
}

// newDatabase has the schema, which begins the log.
func newDatabase(flaws flaws) *database {
	d := &database{flaws: flaws, started: time.Now(), system: 1, timeline: 1, state: tables{
		members: map[string]postgres.Member{}, departed: map[string]time.Time{}, pages: map[string][]version{},
	}}
	d.moveOutbox()
	return d
}

// copy is a backup.
func (t *tables) copy() tables {
	c := *t
	c.outbox, c.log = slices.Clone(t.outbox), slices.Clone(t.log)
	c.members, c.departed, c.pages = maps.Clone(t.members), maps.Clone(t.departed), maps.Clone(t.pages)
	for name, list := range c.pages {
		c.pages[name] = slices.Clip(list) // who appends copies
	}
	return c
}

// now is the database's clock in us, later each time.
func (d *database) now() time.Time {
	now := time.Now().Round(0).Truncate(time.Microsecond)
	if !now.After(d.state.clock) {
		now = d.state.clock.Add(time.Microsecond)
	}
	d.state.clock = now
	return now
}

// head is the last epoch.
func (t *tables) head() uint64 {
	if len(t.log) == 0 {
		return 0
	}
	return t.log[len(t.log)-1].Epoch
}

// moveOutbox is tiercache.sequence(): it begins a term where one is due, and gives numbers to what is in the outbox.
func (d *database) moveOutbox() {
	moment := d.now().Truncate(time.Millisecond)
	d.beginTerm(moment)
	t := &d.state
	for _, row := range t.outbox {
		head := t.head()
		epoch := head + 1
		if d.flaws.numbersByInsert && row.reserved > 0 {
			epoch = row.reserved
		}
		d.link(controllog.Row{Epoch: epoch, Time: moment, ID: row.id, Kind: row.kind, Body: row.body})
		if d.flaws.numbersByInsert {
			d.sortLog()
		}
	}
	t.outbox = nil
}

// draw takes a number of the flaw's SEQUENCE, which begins with the first term.
func (d *database) draw() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.state.known {
		return 0
	}
	d.sequence++
	return d.sequence
}

// sortLog is what readers by number make of numbers that were drawn at insert.
func (d *database) sortLog() {
	log := slices.Clone(d.state.log)
	slices.SortFunc(log, func(a, b controllog.Row) int {
		if a.Epoch < b.Epoch {
			return -1
		}
		return 1
	})
	for i := 1; i < len(log); i++ {
		log[i].Prev = log[i-1].Epoch
	}
	d.state.log = log
}

// beginTerm is tiercache.new_term().
func (d *database) beginTerm(moment time.Time) {
	t := &d.state
	head := t.head()
	if head > 0 && t.known && t.started.Equal(d.started) && t.timeline == d.timeline && t.system == d.system && t.heard <= head && !t.branched && t.lost == 0 {
		return
	}
	change := controllog.TermChange{Reason: "the database server was started"}
	switch {
	case head == 0:
		change.Reason = "the log begins"
	case t.system != d.system:
		change = controllog.TermChange{Reason: "another database cluster", Purge: "hard"}
	case t.branched:
		change = controllog.TermChange{Reason: "the log has branched", Purge: "hard"}
	case t.timeline != d.timeline:
		change = controllog.TermChange{Reason: "a failover or a restore", Purge: "soft"}
	case t.heard > head:
		change = controllog.TermChange{Reason: fmt.Sprintf("a node has epoch %d, which the log has not", t.heard), Purge: "soft"}
	case t.lost != 0:
		change = controllog.TermChange{Reason: fmt.Sprintf("a node has epoch %d, which the log has lost", t.lost), Purge: "soft"}
	}
	epoch := max(head, t.heard, uint64(time.Now().UnixMicro())) + 1
	if d.flaws.reuse && head > 0 {
		epoch = head + 1
	}
	body, _ := json.Marshal(change) // of strings
	d.link(controllog.Row{Epoch: epoch, Time: moment, ID: fmt.Sprintf("term/%d", epoch), Kind: "term", Body: body})
	t.branched, t.lost = false, 0
	t.known, t.system, t.timeline, t.started = true, d.system, d.timeline, d.started
	d.sequence = max(d.sequence, epoch)
}

// behind are the entries behind an epoch.
func (t *tables) behind(after uint64) []controllog.Row {
	i, _ := slices.BinarySearchFunc(t.log, after+1, func(r controllog.Row, epoch uint64) int {
		switch {
		case r.Epoch < epoch:
			return -1
		case r.Epoch > epoch:
			return 1
		}
		return 0
	})
	return slices.Clone(t.log[i:])
}

// epochOf is the epoch of the write with an id, 0 for none.
func (t *tables) epochOf(id string) uint64 {
	for i := len(t.log) - 1; i >= 0; i-- {
		if t.log[i].ID == id {
			return t.log[i].Epoch
		}
	}
	return 0
}

// lookup is the origin's read of an object with the epoch that it is good for, in one statement. A write of it that has
// no number yet gets one first.
func (d *database) lookup(object string, between func()) (v version, epoch uint64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return version{}, 0, postgres.ErrUnavailable
	}
	if d.flaws.twoStatements {
		v = d.state.present(object)
		d.mu.Unlock()
		between()
		d.mu.Lock()
		d.moveOutbox()
		return v, d.state.head(), nil
	}
	if slices.ContainsFunc(d.state.outbox, func(r outboxRow) bool { return r.object == object }) {
		d.moveOutbox()
	}
	return d.state.present(object), d.state.head(), nil
}

// present is the version that a resource has now.
func (t *tables) present(name string) version {
	list := t.pages[name]
	if len(list) == 0 {
		return version{}
	}
	return list[len(list)-1]
}

// asOf is the version that a page had at some moment, as a replica shows it that lags.
func (d *database) asOf(name string, at time.Time) version {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.state.pages[name]
	for i := len(list) - 1; i > 0; i-- {
		if !list[i].at.After(at) {
			return list[i]
		}
	}
	if len(list) == 0 {
		return version{}
	}
	return list[0]
}

// backup is a copy of all, restore puts one in the place of what is there, on a new timeline.
func (d *database) backup() tables {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state.copy()
}

func (d *database) restore(backup tables) {
	d.crashBack(backup)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timeline++
}

// crashBack starts the server with less than it had, as one does whose disk has lied.
func (d *database) crashBack(backup tables) {
	d.mu.Lock()
	defer d.mu.Unlock()
	clock := d.state.clock
	d.state = backup.copy()
	d.state.clock = clock
	d.started = time.Now()
}

// crash stops the server, which keeps what was committed; start starts it again.
func (d *database) crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = true
}

func (d *database) start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down, d.started = false, time.Now()
}

// compact removes entries but the last keep.
func (d *database) compact(keep int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := &d.state
	if len(t.log) <= keep {
		return
	}
	floor := t.log[len(t.log)-keep-1].Epoch
	if floor <= t.compacted {
		return
	}
	newest := map[string]int{}
	for i, r := range t.log {
		if r.Kind == "service" {
			newest[subject(r)] = i
		}
	}
	var kept []controllog.Row
	for i, r := range t.log {
		if r.Epoch > floor || r.Kind == "service" && newest[subject(r)] == i {
			kept = append(kept, r)
		}
	}
	t.log, t.compacted = kept, floor
}

// subject is the service that an entry is about.
func subject(r controllog.Row) string {
	var change controllog.ServiceChange
	_ = json.Unmarshal(r.Body, &change) // made by this package
	return change.Name
}
