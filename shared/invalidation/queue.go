package invalidation

// queue is the order in which scopes are evicted: a ring of records, oldest purge first. Each scope in the table
// has exactly one record that is not void; a purge of a scope that is already there makes its older
// record void. The ring is twice the table's capacity, so tidying it up when it is full costs each push
// a constant.
type queue struct {
	records []record
	head    int // of the oldest
	size    int
}

// record says that a slot's scope was purged at epoch. It is void once the slot is empty or has another epoch.
type record struct {
	epoch uint64
	slot  uint32
}

// minQueue is the least size of a ring, for very small tables.
const minQueue = 16

func newQueue(capacity int) queue {
	return queue{records: make([]record, max(2*capacity, minQueue))}
}

// push appends a record for the slot's last purge.
func (t *table) push(slot uint64) {
	q := &t.queue
	if q.size == len(q.records) {
		t.tidy()
	}
	q.records[(q.head+q.size)%len(q.records)] = record{epoch: t.slots[slot].newest(), slot: uint32(slot)}
	q.size++
}

// pop removes the oldest record.
func (q *queue) pop() (record, bool) {
	if q.size == 0 {
		return record{}, false
	}
	r := q.records[q.head]
	q.head = (q.head + 1) % len(q.records)
	q.size--
	return r, true
}

// valid reports whether the record still is that of its slot's scope.
func (t *table) valid(r record) bool {
	return t.used(uint64(r.slot)) && t.slots[r.slot].newest() == r.epoch
}

// each calls do for each scope, the oldest purge first.
func (t *table) each(do func(*slot)) {
	q := &t.queue
	for i := range q.size {
		if r := q.records[(q.head+i)%len(q.records)]; t.valid(r) {
			do(&t.slots[r.slot])
		}
	}
}

// tidy removes the void records.
func (t *table) tidy() {
	q := &t.queue
	kept := 0
	for i := range q.size {
		r := q.records[(q.head+i)%len(q.records)]
		if t.valid(r) {
			q.records[(q.head+kept)%len(q.records)] = r
			kept++
		}
	}
	q.size = kept
}

// evictOldest evicts the scope whose last purge is the oldest.
func (t *table) evictOldest() {
	for {
		r, ok := t.queue.pop()
		if !ok {
			return // cannot be: each scope has a record
		}
		if t.valid(r) {
			t.evict(uint64(r.slot))
			return
		}
	}
}
