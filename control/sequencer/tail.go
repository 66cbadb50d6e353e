package sequencer

import (
	"sort"

	"tiercache/shared/controllog"
)

// Bounds of the entries that are kept in memory.
const (
	maxTailBytes   = 16 << 20
	maxTailEntries = 64 << 10
)

// tail is the newest entries of the log, encoded, without a gap between them.
type tail struct {
	entries []kept // oldest first
	bytes   int
	epochs  map[string]uint64 // by id of the write
}

type kept struct {
	epoch, prev uint64
	chain       uint64
	id          string
	encoded     []byte
}

// add appends entries that follow the last one; those that do not start a new tail.
func (t *tail) add(entries []controllog.Entry) {
	if t.epochs == nil {
		t.epochs = make(map[string]uint64)
	}
	for i := range entries {
		e := &entries[i]
		if last := len(t.entries) - 1; last >= 0 && t.entries[last].epoch != e.Prev {
			*t = tail{epochs: make(map[string]uint64)}
		}
		encoded := controllog.AppendEntry(nil, e)
		t.entries = append(t.entries, kept{e.Epoch, e.Prev, e.Chain, e.ID, encoded})
		t.bytes += len(encoded)
		t.epochs[e.ID] = e.Epoch
	}
	drop := 0
	for t.bytes > maxTailBytes || len(t.entries)-drop > maxTailEntries {
		t.bytes -= len(t.entries[drop].encoded)
		if t.epochs[t.entries[drop].id] == t.entries[drop].epoch {
			delete(t.epochs, t.entries[drop].id)
		}
		t.entries[drop] = kept{}
		drop++
	}
	t.entries = t.entries[drop:] // append copies what is left when the array is full
}

// chainAt is the hash of the log through that entry; false when it is not kept.
func (t *tail) chainAt(epoch uint64) (uint64, bool) {
	i := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].epoch >= epoch })
	if i == len(t.entries) || t.entries[i].epoch != epoch {
		return 0, false
	}
	return t.entries[i].chain, true
}

// after returns the encoded entries behind epoch, at least one and then at most limit bytes of them; false
// when the tail does not know what follows epoch.
func (t *tail) after(epoch uint64, limit int) ([]byte, bool) {
	i := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].epoch > epoch })
	if i == len(t.entries) || t.entries[i].prev != epoch {
		return nil, false
	}
	var b []byte
	for ; i < len(t.entries) && (len(b) == 0 || len(b)+len(t.entries[i].encoded) <= limit); i++ {
		b = append(b, t.entries[i].encoded...)
	}
	return b, true
}
