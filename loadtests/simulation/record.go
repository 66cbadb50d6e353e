package simulation

import (
	"fmt"
	"sync"
	"time"

	"tiercache/control/client"
	"tiercache/loadtests/history"
)

// record is all that happened, as somebody sees it who sees everything.
type record struct {
	mu     sync.Mutex
	start  time.Time
	writes []*history.Write
	reads  []*history.Read
	losses []history.Loss
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

func (r *record) addWrite(w *history.Write) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, w)
}

func (r *record) addRead(d *history.Read) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads = append(r.reads, d)
}

// complete takes the receipts of a purge.
func (r *record) complete(w *history.Write, receipts client.Receipts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Completed, w.Receipts = time.Now(), map[string]string{}
	for _, n := range receipts.Nodes {
		w.Receipts[n.Node] = n.State
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
	r.losses = append(r.losses, history.Loss{At: time.Now(), Took: func(_ string, _ int, committed time.Time) bool { return committed.After(to) }})
	for _, w := range r.writes {
		if w.Committed.After(to) && w.Committed.Before(time.Now()) {
			w.Lost = true
		}
	}
}
