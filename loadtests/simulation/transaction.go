package simulation

import (
	"encoding/json"
	"fmt"
	"time"

	"tiercache/control/postgres"
	"tiercache/shared/controllog"
)

// version is what an object, or a page of a foreign site, is at some time. Numbers are never given twice, whatever is
// restored.
type version struct {
	n  int
	at time.Time // when it was committed
}

// transaction is a writer's transaction: nothing of it is seen before it has been committed.
type transaction struct {
	db     *database
	server time.Time // when the server was started on which it runs
	rows   []outboxRow
	writes []pageWrite
}

type pageWrite struct {
	page string
	n    int
}

func (d *database) begin() *transaction {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &transaction{db: d, server: d.started}
}

// invalidate puts a purge into the outbox.
func (t *transaction) invalidate(id string, purge controllog.Purge) { t.insert(id, "purge", purge, "") }

// activate puts a service document into the outbox.
func (t *transaction) activate(id string, change controllog.ServiceChange) {
	t.insert(id, "service", change, "")
}

// write makes a new version of a page.
func (t *transaction) write(where *resource, n int) {
	t.writes = append(t.writes, pageWrite{where.name, n})
}

// put is what the origin does to write an object: a new version, and the purge of its URL.
func (t *transaction) put(id string, where *resource, n int) {
	t.write(where, n)
	t.insert(id, "purge", purgeOf(where), where.name)
}

// purgeOf is the purge that comes with a write of an object.
func purgeOf(where *resource) controllog.Purge {
	return controllog.Purge{URLs: []controllog.URL{{Host: where.host, Path: where.path}}}
}

func (t *transaction) insert(id, kind string, body any, object string) {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("simulation: a row that is no JSON: %v", err)) // of this package's own making
	}
	row := outboxRow{id: id, kind: kind, body: encoded, object: object}
	if t.db.flaws.numbersByInsert {
		row.reserved = t.db.draw()
	}
	t.rows = append(t.rows, row)
}

// commit makes it visible. seen is called with the moment, before anybody else can look. Errors:
// postgres.ErrUnavailable.
func (t *transaction) commit(seen func(at time.Time)) error {
	d := t.db
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down || !d.started.Equal(t.server) {
		return postgres.ErrUnavailable
	}
	at := d.now()
	for _, w := range t.writes {
		d.state.pages[w.page] = append(d.state.pages[w.page], version{n: w.n, at: at})
	}
	d.state.outbox = append(d.state.outbox, t.rows...)
	seen(at)
	return nil
}
