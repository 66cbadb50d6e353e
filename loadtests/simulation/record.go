package simulation

import (
	"fmt"
	"sync"
	"time"

	"tiercache/control/client"
	"tiercache/shared/controllog"
)

// write is something that was committed, or rolled back: a purge, perhaps with new versions in the same transaction.
type write struct {
	id         string
	purge      controllog.Purge
	soft       bool
	rolledBack bool
	purges     bool // as all do but some terms
	committed  time.Time
	// floors are the versions of what the purge covers as of the commit: nothing older may follow it.
	floors map[string]int
	lost   bool   // its branch of the log was lost
	epoch  uint64 // found in the log at the end; 0: it is not there

	completed time.Time         // when it was said to be complete; zero: never
	receipts  map[string]string // the state of each member then
}

// read is a request of a client and what came of it.
type read struct {
	client, node string
	page         *resource
	query        string
	token        uint64 // Tiercache-Min-Epoch; 0: none
	start, end   time.Time
	applied      uint64 // by the node, at the start
	settled      uint64 // likewise, upstreamLag before the start
	known        uint64 // likewise, at the end
	alone        bool   // the node had started without control, and not found it yet
	status       int
	version      int
	stamp        uint64
	cacheStatus  string
	stale        bool // it says so
	disconnected bool // likewise
}

// loss is what a restore took back.
type loss struct {
	at    time.Time
	after time.Time // what was committed since then
}

// record is all that happened, as somebody sees it who sees everything.
type record struct {
	mu     sync.Mutex
	start  time.Time
	writes []*write
	reads  []*read
	losses []loss
	events []event
	found  []string // violations that were seen on the way

	drawn   map[string]int               // the highest version of each page that was drawn
	commits map[string]map[int]time.Time // when each was committed
}

// event is a line of the history.
type event struct {
	at     time.Time
	format string
	args   []any // which nobody changes
}

func newRecord() *record {
	return &record{start: time.Now(), drawn: map[string]int{}, commits: map[string]map[int]time.Time{}}
}

// note adds a line to the history.
func (r *record) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{time.Now(), format, args})
}

// violation adds a broken promise.
func (r *record) violation(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.note("VIOLATION %s", text)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = append(r.found, text)
}

func (r *record) addWrite(w *write) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, w)
}

func (r *record) addRead(d *read) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads = append(r.reads, d)
}

// complete takes the receipts of a purge.
func (r *record) complete(w *write, receipts client.Receipts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.completed, w.receipts = time.Now(), map[string]string{}
	for _, n := range receipts.Nodes {
		w.receipts[n.Node] = n.State
	}
}

// version is the number of a new version of a page.
func (r *record) version(page *resource) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drawn[page.name]++
	return r.drawn[page.name]
}

// versions takes that a transaction's versions were committed.
func (r *record) versions(tx *transaction, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range tx.writes {
		if r.commits[w.page] == nil {
			r.commits[w.page] = map[int]time.Time{}
		}
		r.commits[w.page][w.n] = at
	}
}

// restored takes that the database is what it was at that moment: what was committed since is lost.
func (r *record) restored(to time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.losses = append(r.losses, loss{at: time.Now(), after: to})
	for _, w := range r.writes {
		if w.committed.After(to) && w.committed.Before(time.Now()) {
			w.lost = true
		}
	}
}
