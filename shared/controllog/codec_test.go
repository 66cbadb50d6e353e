package controllog_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"testing"

	"github.com/cespare/xxhash/v2"

	"tiercache/shared/controllog"
	"tiercache/shared/object"
)

func encoded(entries []controllog.Entry) (b []byte) {
	for i := range entries {
		b = controllog.AppendEntry(b, &entries[i])
	}
	return b
}

// sealed repairs the checksum of one frame after it was changed.
func sealed(b []byte) []byte {
	if end := len(b) - 8; end >= 4 {
		binary.LittleEndian.PutUint32(b, uint32(len(b)))
		binary.LittleEndian.PutUint64(b[end:], xxhash.Sum64(b[:end]))
	}
	return b
}

// TestEntry_Golden: nodes of several releases read one log.
func TestEntry_Golden(t *testing.T) {
	for name, entries := range map[string][]controllog.Entry{"entries-v1.bin": samples(), "entries-v2.bin": chained()} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := controllog.DecodeEntries(b)
		if err != nil || !reflect.DeepEqual(got, entries) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", name, err, got, entries)
		}
	}
	want, err := os.ReadFile("testdata/entries-v2.bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range chained() {
		if e.Kind == controllog.KindService && e.Service != nil {
			continue // documents get new fields
		}
		if b := controllog.AppendEntry(nil, &e); !bytes.Contains(want, b) {
			t.Errorf("the version of this name is written differently now: %x", b)
		}
	}
}

func TestAppendHint(t *testing.T) {
	for _, e := range chained() {
		got, err := controllog.DecodeEntries(controllog.AppendHint(nil, &e))
		want := controllog.Entry{Epoch: e.Epoch, Prev: e.Prev, Chain: e.Chain, PrevChain: e.PrevChain, Time: e.Time, ID: e.ID, Kind: e.Kind, Mode: e.Mode, Hint: true}
		if err != nil || !reflect.DeepEqual(got, []controllog.Entry{want}) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestAppendMessage_LargeEntriesAreHints(t *testing.T) {
	small, large := purgeOf(1, 2), purgeOf(2, 3)
	small.Scopes, large.Scopes = make([]object.Scope, 4092), make([]object.Scope, 4096)
	b := controllog.AppendMessage(nil, &small)
	if n := len(b); n > controllog.HintSize || n <= controllog.HintSize-16 {
		t.Errorf("the small one has %d bytes", n)
	}
	got, err := controllog.DecodeEntries(controllog.AppendMessage(b, &large))
	if err != nil || len(got) != 2 || got[0].Hint || len(got[0].Scopes) != 4092 || !got[1].Hint || got[1].Scopes != nil {
		t.Errorf("%d entries, %v", len(got), err)
	}
}

func TestDecodeEntries_DamageIsFound(t *testing.T) {
	b := encoded(samples()[:3])
	first := len(encoded(samples()[:1]))
	for n := range b {
		got, err := controllog.DecodeEntries(b[:n])
		if whole := n == 0 || n == first || n == len(encoded(samples()[:2])); whole != (err == nil) || !whole && !errors.Is(err, controllog.ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
		if n > first && (len(got) == 0 || got[0].Epoch != 100) {
			t.Errorf("cut to %d bytes: the first entry is lost", n)
		}
		b[n] ^= 0x80
		if _, err := controllog.DecodeEntries(b); !errors.Is(err, controllog.ErrCorrupt) {
			t.Errorf("byte %d: %v", n, err)
		}
		b[n] ^= 0x80
	}
}

// TestDecodeEntries_Refuses changes one byte of an entry and repairs its checksum.
func TestDecodeEntries_Refuses(t *testing.T) {
	for name, row := range map[string]struct {
		of    controllog.Entry
		at    int
		value byte
		err   error
	}{
		"other version":         {samples()[0], 4, 3, controllog.ErrVersion},
		"unknown kind":          {samples()[0], 5, 9, controllog.ErrVersion},
		"no kind":               {samples()[0], 5, 0, controllog.ErrVersion},
		"unknown flag":          {samples()[0], 6, 2, controllog.ErrCorrupt},
		"hint with payload":     {samples()[0], 6, 1, controllog.ErrCorrupt},
		"purge without mode":    {samples()[0], 7, 0, controllog.ErrCorrupt},
		"token with mode":       {samples()[2], 7, 1, controllog.ErrCorrupt},
		"epoch at prev":         {samples()[1], 8, 100, controllog.ErrCorrupt},
		"id outside":            {samples()[1], 34, 1, controllog.ErrCorrupt},
		"payload in id":         {samples()[0], 32, 5, controllog.ErrCorrupt},
		"payload that is other": {samples()[1], 53, '[', controllog.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			b := controllog.AppendEntry(nil, &row.of)
			b[row.at] = row.value
			if got, err := controllog.DecodeEntries(sealed(b)); !errors.Is(err, row.err) || len(got) != 0 {
				t.Errorf("%+v, %v, want %v", got, err, row.err)
			}
		})
	}
}

// FuzzDecodeEntries repairs the checksum, so that what is behind it is reached.
func FuzzDecodeEntries(f *testing.F) {
	for _, e := range samples() {
		f.Add(controllog.AppendEntry(nil, &e), true)
	}
	f.Add(encoded(samples()), false)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = sealed(b)
		}
		entries, err := controllog.DecodeEntries(b)
		if err != nil && !errors.Is(err, controllog.ErrCorrupt) && !errors.Is(err, controllog.ErrVersion) {
			t.Fatal(err)
		}
		again, err := controllog.DecodeEntries(encoded(entries))
		if err != nil || !reflect.DeepEqual(entries, again) {
			t.Fatalf("%+v becomes %+v, %v", entries, again, err)
		}
		controllog.NewReplica(8).Apply(entries...)
	})
}
