package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"tiercache/control/client"
)

func TestEventText(t *testing.T) {
	for detail, want := range map[string]client.Event{
		"soft tags a,b of shop (id/0)":             {Type: "purge", Detail: []byte(`{"mode":"soft","service":"shop","tags":["a","b"]}`)},
		"hard urls h/p?q prefixes h/d/ all (id/0)": {Type: "purge", Detail: []byte(`{"urls":[{"host":"h","path":"/p","query":"?q"}],"prefixes":[{"host":"h","path":"/d/"}],"all":true}`)},
		"5000 things (id/0)":                       {Type: "purge", Size: 5000},
		"edge-1 fenced (edge, r1)":                 {Type: "member", Detail: []byte(`{"node":"edge-1","tier":"edge","region":"r1","change":"fenced"}`)},
		"older entries are not kept any more":      {Type: "gap"},
		`{"name":"shop","version":2}`:              {Type: "service", Detail: []byte(`{"name":"shop","version":2}`)},
	} {
		want.ID = "id/0"
		if got := eventText(&want); got != detail {
			t.Errorf("got %q, want %q", got, detail)
		}
	}
}

func TestEventPrinter_EndsAtTheHeadUnlessItFollows(t *testing.T) {
	var out bytes.Buffer
	for follow, want := range map[bool]error{true: nil, false: errCaughtUp} {
		p := eventPrinter{out: &out, follow: follow}
		if err := p.show(client.Event{Type: client.EventHead, Epoch: 9}); !errors.Is(err, want) || p.last != 9 {
			t.Errorf("follow=%t: %v, last %d", follow, err, p.last)
		}
	}
	p := eventPrinter{out: &out, last: 9}
	if err := p.show(client.Event{Type: "token", Epoch: 10, Time: time.Now(), Detail: []byte("\"\x1b[31m\"")}); err != nil || p.last != 10 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%v, last %d, printed %q", err, p.last, out.String())
	}
}
