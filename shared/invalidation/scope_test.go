package invalidation_test

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// TestScope_Golden holds what scopes hash to: stored responses and images carry them.
func TestScope_Golden(t *testing.T) {
	want := map[string]string{}
	readJSON(t, "testdata/scopes.json", &want)
	got := map[string]object.Scope{
		"all":                      invalidation.AllScope(),
		"service shop":             invalidation.ServiceScope("shop"),
		"host shop.example":        invalidation.HostScope("shop.example"),
		"prefix shop.example /a/":  invalidation.PrefixScope("shop.example", "/a/"),
		"tag shop product-17":      invalidation.TagScope("shop", "product-17"),
		"tag of any product-17":    invalidation.TagScope("", "product-17"),
		"url shop.example /a":      invalidation.URLScope("shop.example", "/a", ""),
		"url shop.example /a ?b=1": invalidation.URLScope("shop.example", "/a", "?b=1"),
		"url long":                 invalidation.URLScope("shop.example", "/"+strings.Repeat("x", 2000), ""),
	}
	if len(got) != len(want) {
		t.Errorf("%d scopes, %d in the file", len(got), len(want))
	}
	for name, scope := range got {
		if hex.EncodeToString(scope[:]) != want[name] {
			t.Errorf("%s: %x, want %s", name, scope, want[name])
		}
	}
}

// TestScope_DomainsAndFieldsAreApart checks that names cannot be chosen so that one scope becomes another.
func TestScope_DomainsAndFieldsAreApart(t *testing.T) {
	seen := map[object.Scope]string{}
	for name, scope := range map[string]object.Scope{
		"service x": invalidation.ServiceScope("x"), "host x": invalidation.HostScope("x"),
		"tag of any x": invalidation.TagScope("", "x"), "tag x of x": invalidation.TagScope("x", "x"), "tag x of none": invalidation.TagScope("x", ""),
		"tag bc of a": invalidation.TagScope("a", "bc"), "tag c of ab": invalidation.TagScope("ab", "c"),
		"prefix": invalidation.PrefixScope("a", "/b/"), "url": invalidation.URLScope("a", "/b/", ""), "prefix of other": invalidation.PrefixScope("a/", "b/"),
		"query": invalidation.URLScope("a", "/b", "?c"), "path": invalidation.URLScope("a", "/b?c", ""), "all": invalidation.AllScope(),
		"empty service": invalidation.ServiceScope(""), "empty host": invalidation.HostScope(""),
	} {
		if other, ok := seen[scope]; ok {
			t.Errorf("%s and %s are one scope", name, other)
		}
		seen[scope] = name
	}
}

func TestAppendScopes(t *testing.T) {
	const host = "h.example"
	url, tag, prefix := invalidation.URLScope, invalidation.TagScope, invalidation.PrefixScope
	base := []object.Scope{invalidation.ServiceScope("s"), invalidation.HostScope(host)}
	for name, row := range map[string]struct {
		r    invalidation.Response
		want []object.Scope
	}{
		"root":         {invalidation.Response{Target: "/"}, []object.Scope{url(host, "/", ""), prefix(host, "/")}},
		"directories":  {invalidation.Response{Target: "/a/b/c"}, []object.Scope{url(host, "/a/b/c", ""), prefix(host, "/"), prefix(host, "/a/"), prefix(host, "/a/b/")}},
		"a directory":  {invalidation.Response{Target: "/a/"}, []object.Scope{url(host, "/a/", ""), prefix(host, "/"), prefix(host, "/a/")}},
		"query":        {invalidation.Response{Target: "/a?x=/1/?"}, []object.Scope{url(host, "/a", ""), url(host, "/a", "?x=/1/?"), prefix(host, "/")}},
		"empty query":  {invalidation.Response{Target: "/a?"}, []object.Scope{url(host, "/a", ""), url(host, "/a", "?"), prefix(host, "/")}},
		"own origin":   {invalidation.Response{Target: "/a?x", OwnOrigin: true}, []object.Scope{url(host, "/a", ""), url(host, "/a", "?x"), url("*", "/a", ""), prefix(host, "/")}},
		"tags":         {invalidation.Response{Target: "/", Tags: []string{"t", "u", "t"}}, []object.Scope{url(host, "/", ""), prefix(host, "/"), tag("s", "t"), tag("", "t"), tag("s", "u"), tag("", "u")}},
		"16 levels":    {invalidation.Response{Target: strings.Repeat("/", 16) + "a"}, append([]object.Scope{url(host, strings.Repeat("/", 16)+"a", "")}, slashes(host, 16)...)},
		"double slash": {invalidation.Response{Target: "//"}, append([]object.Scope{url(host, "//", "")}, slashes(host, 2)...)},
	} {
		t.Run(name, func(t *testing.T) {
			row.r.Service, row.r.Host = "s", host
			before := object.Scope{1}
			got, err := invalidation.AppendScopes([]object.Scope{before}, &row.r)
			if want := slices.Concat([]object.Scope{before}, base, row.want); err != nil || !slices.Equal(got, want) {
				t.Errorf("%v\n got %x\nwant %x", err, got, want)
			}
		})
	}
}

func slashes(host string, n int) (scopes []object.Scope) {
	for i := range n {
		scopes = append(scopes, invalidation.PrefixScope(host, strings.Repeat("/", i+1)))
	}
	return scopes
}

func TestAppendScopes_Refuses(t *testing.T) {
	tags := strings.Fields(numbers(257))
	for name, row := range map[string]struct {
		r   invalidation.Response
		err error
	}{
		"257 tags":                 {invalidation.Response{Target: "/", Tags: tags}, invalidation.ErrTooManyTags},
		"256 tags, some repeated":  {invalidation.Response{Target: "/", Tags: append(tags[:256:256], tags[:9]...)}, nil},
		"17 levels":                {invalidation.Response{Target: strings.Repeat("/a", 17)}, invalidation.ErrTooDeep},
		"17 levels in the query":   {invalidation.Response{Target: "/?" + strings.Repeat("/a", 17)}, nil},
		"an absolute URL":          {invalidation.Response{Target: "http://h/"}, invalidation.ErrTarget},
		"a star":                   {invalidation.Response{Target: "*"}, invalidation.ErrTarget},
		"nothing":                  {invalidation.Response{}, invalidation.ErrTarget},
		"a query without any path": {invalidation.Response{Target: "?/a"}, invalidation.ErrTarget},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := invalidation.AppendScopes([]object.Scope{{1}}, &row.r)
			if !errors.Is(err, row.err) || err != nil && len(got) != 1 {
				t.Errorf("%d scopes, %v, want %v", len(got), err, row.err)
			}
		})
	}
}
