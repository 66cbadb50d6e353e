package controllog

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestFetchReply_ComesBackAsItWas(t *testing.T) {
	for _, want := range []FetchReply{
		{Entries: []byte{}},
		{Head: 1<<53 - 1, Entries: []byte("entries")},
		{Head: 7, Compacted: true, Entries: []byte{}},
		{Refused: "no PostgreSQL", Entries: []byte{}},
	} {
		b, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeFetchReply(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	long := FetchReply{Refused: strings.Repeat("x", 70_000), Entries: []byte("e")}
	b, _ := long.AppendBinary(nil) // never fails
	if got, err := DecodeFetchReply(b); err != nil || len(got.Refused) != maxRefused || string(got.Entries) != "e" {
		t.Errorf("got %d bytes, %q, %v", len(got.Refused), got.Entries, err)
	}
}

func FuzzDecodeFetchReply(f *testing.F) {
	for _, r := range []FetchReply{{}, {Head: 9, Entries: []byte("abc")}, {Compacted: true, Refused: "why"}} {
		b, _ := r.AppendBinary(nil) // never fails
		f.Add(b)
	}
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeFetchReply(b)
		if err != nil {
			if !errors.Is(err, ErrFetchReply) {
				t.Errorf("got %v", err)
			}
			return
		}
		again, _ := r.AppendBinary(nil) // never fails
		if string(again) != string(b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}
