package controllog_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tiercache/shared/controllog"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

func TestRow_Entry(t *testing.T) {
	all := []object.Scope{invalidation.AllScope()}
	for name, row := range map[string]struct {
		kind, body string
		want       controllog.Entry
		bad        bool
	}{
		"purge":                 {"purge", `{"mode":"soft","tags":["a"]}`, controllog.Entry{Kind: controllog.KindPurge, Mode: soft, Scopes: []object.Scope{tag("a")}}, false},
		"purge, no JSON":        {"purge", `{"tags":`, controllog.Entry{Kind: controllog.KindPurge, Mode: hard, Scopes: all}, true},
		"purge, nothing":        {"purge", `{}`, controllog.Entry{Kind: controllog.KindPurge, Mode: hard, Scopes: all}, true},
		"purge, bad mode":       {"purge", `{"mode":"mild","tags":["a"]}`, controllog.Entry{Kind: controllog.KindPurge, Mode: hard, Scopes: all}, true},
		"unknown kind":          {"purges", `{"tags":["a"]}`, controllog.Entry{Kind: controllog.KindPurge, Mode: hard, Scopes: all}, true},
		"service":               {"service", `{"name":"s","version":2,"document":null}`, controllog.Entry{Kind: controllog.KindService, Service: &controllog.ServiceChange{Name: "s", Version: 2}}, false},
		"service, half read":    {"service", `{"name":"s","version":"2"}`, controllog.Entry{Kind: controllog.KindService}, true},
		"token":                 {"token", `{"id":"t","revoked":true}`, controllog.Entry{Kind: controllog.KindToken, Token: &controllog.TokenChange{ID: "t", Revoked: true}}, false},
		"token, half read":      {"token", `{"id":"t","revoked":true,"roles":1}`, controllog.Entry{Kind: controllog.KindToken}, true},
		"term":                  {"term", `{"reason":"r","purge":"soft"}`, controllog.Entry{Kind: controllog.KindTerm, Term: &controllog.TermChange{Reason: "r", Purge: "soft"}}, false},
		"term, cannot be known": {"term", `[]`, controllog.Entry{Kind: controllog.KindTerm, Term: &controllog.TermChange{Reason: "unreadable", Purge: "hard"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := controllog.Row{Epoch: 7, Prev: 6, Time: noon, ID: "w", Kind: row.kind, Body: []byte(row.body)}
			row.want.Epoch, row.want.Prev, row.want.Time, row.want.ID = 7, 6, noon, "w"
			got, err := r.Entry()
			if (err != nil) != row.bad || !reflect.DeepEqual(got, row.want) {
				t.Errorf("%v\n got %+v\nwant %+v", err, got, row.want)
			}
			again, err := controllog.DecodeEntries(controllog.AppendEntry(nil, &got))
			if err != nil || !reflect.DeepEqual(again, []controllog.Entry{got}) {
				t.Errorf("becomes %+v, %v", again, err)
			}
		})
	}
}

func TestPurge_Scopes(t *testing.T) {
	p := controllog.Purge{
		Mode: "soft", Service: "s", Tags: []string{"a b", "c"}, All: true, Services: []string{"s"}, Hosts: []string{"h"},
		URLs:     []controllog.URL{{Host: "h", Path: "/a"}, {Host: "h", Path: "/a", Query: "?x"}, {Host: "*", Path: "/a"}},
		Prefixes: []controllog.URL{{Host: "h", Path: "/a/"}},
	}
	mode, scopes, err := p.Scopes()
	kept := invalidation.QueryScopes("h", "/a", "?x") // where the service keeps less than the whole query
	want := slices.Concat([]object.Scope{
		invalidation.TagScope("s", "a%20b"), invalidation.TagScope("s", "c"),
		invalidation.URLScope("h", "/a", ""), invalidation.URLScope("h", "/a", "?x"),
	}, kept, []object.Scope{
		invalidation.URLScope("*", "/a", ""),
		invalidation.PrefixScope("h", "/a/"), invalidation.HostScope("h"), invalidation.ServiceScope("s"), invalidation.AllScope(),
	})
	if err != nil || mode != soft || !reflect.DeepEqual(scopes, want) {
		t.Errorf("%s, %v\n got %x\nwant %x", mode, err, scopes, want)
	}
}

func TestPurge_ScopesRefuses(t *testing.T) {
	for body, want := range map[string]error{
		`{}`:                                     controllog.ErrEmptyPurge,
		`{"service":"s"}`:                        controllog.ErrEmptyPurge,
		`{"tags":[""]}`:                          invalidation.ErrTag,
		`{"hosts":["h","*"]}`:                    controllog.ErrAnyHost,
		`{"prefixes":[{"host":"*","path":"/"}]}`: controllog.ErrAnyHost,
		`{"urls":[{"host":"*","path":"/","query":"?a"}]}`:         controllog.ErrAnyHost,
		`{"urls":[{"host":"h","path":"a"}]}`:                      nil,
		`{"urls":[{"host":"h","path":"/a","query":"b"}]}`:         nil,
		`{"prefixes":[{"host":"h","path":"/a"}]}`:                 nil,
		`{"prefixes":[{"host":"h","path":"a/"}]}`:                 nil,
		`{"prefixes":[{"host":"h","path":"/a/","query":"?b"}]}`:   nil,
		`{"tags":["x"` + strings.Repeat(`,"x"`, 4096) + `]}`:      controllog.ErrTooManyScopes,
		`{"mode":"Hard","all":true}`:                              nil,
		`{"urls":[{"host":"h","path":"","query":""}],"all":true}`: nil,
	} {
		var p controllog.Purge
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err)
		}
		if mode, scopes, err := p.Scopes(); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%.80s: %s, %d scopes, %v, want %v", body, mode, len(scopes), err, want)
		}
	}
}
