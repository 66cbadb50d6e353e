package httpcache

import (
	"strings"
	"testing"

	"github.com/dunglas/httpsfv"
)

func TestTargeted_RFC9213_2(t *testing.T) {
	tests := []struct {
		rule   string
		header []string
		use    bool  // the targeted field counts
		maxAge int64 // that counts
		flags  Flags // besides FlagTargeted
	}{
		{"beats Cache-Control", []string{"CDN-Cache-Control: max-age=9", "Cache-Control: no-store, max-age=1"}, true, 9, 0},
		{"beats a longer Cache-Control", []string{"CDN-Cache-Control: max-age=1", "Cache-Control: max-age=9"}, true, 1, 0},
		{"no-store beats freshness", []string{"CDN-Cache-Control: no-store", "Cache-Control: max-age=9"}, true, -1, FlagNoStore},
		{"private beats freshness", []string{"CDN-Cache-Control: private", "Cache-Control: max-age=9"}, true, -1, FlagPrivate},
		{"no-cache beats freshness", []string{"CDN-Cache-Control: no-cache", "Cache-Control: max-age=9"}, true, -1, FlagNoCache},
		{"lines add up", []string{"CDN-Cache-Control: max-age=9", "CDN-Cache-Control: no-cache"}, true, 9, FlagNoCache},
		{"the last of a key counts (RFC 9651)", []string{"CDN-Cache-Control: max-age=9, max-age=3"}, true, 3, 0},
		{"false is absent", []string{"CDN-Cache-Control: no-store=?0, max-age=3"}, true, 3, 0},
		{"false takes back true", []string{"CDN-Cache-Control: no-store, no-store=?0, max-age=3"}, true, 3, 0},
		{"parameters are ignored", []string{"CDN-Cache-Control: max-age=9;foo=bar;q, no-cache;x"}, true, 9, FlagNoCache},
		{"extensions are ignored", []string{`CDN-Cache-Control: foo, b=:YQ==:, c=(1 2);x, d="e", max-age=9`}, true, 9, 0},
		{"negative is stale", []string{"CDN-Cache-Control: max-age=-5", "Cache-Control: max-age=9"}, true, 0, 0},
		{"large saturates", []string{"CDN-Cache-Control: max-age=99999999999"}, true, 1 << 31, 0},
		{"private with names is private", []string{`CDN-Cache-Control: private="foo", max-age=9`}, true, 9, FlagPrivate},
		{"no-store of another type counts", []string{"CDN-Cache-Control: no-store=1"}, true, -1, FlagNoStore},

		{"empty falls back", []string{"CDN-Cache-Control:", "Cache-Control: max-age=9"}, false, 9, 0},
		{"unparsable falls back", []string{"CDN-Cache-Control: max-age=1, &&&&&", "Cache-Control: no-store"}, false, -1, FlagNoStore},
		{"wrong type falls back", []string{`CDN-Cache-Control: max-age="1"`, "Cache-Control: no-store"}, false, -1, FlagNoStore},
		{"a Decimal is the wrong type", []string{"CDN-Cache-Control: max-age=1.0", "Cache-Control: max-age=9"}, false, 9, 0},
		{"true is the wrong type", []string{"CDN-Cache-Control: max-age", "Cache-Control: max-age=9"}, false, 9, 0},
		{"a key in upper case falls back", []string{"CDN-Cache-Control: Max-Age=1", "Cache-Control: max-age=9"}, false, 9, 0},
		{"space around = falls back", []string{"CDN-Cache-Control: max-age =1", "Cache-Control: max-age=9"}, false, 9, 0},
		{"a trailing comma falls back", []string{"CDN-Cache-Control: max-age=1,", "Cache-Control: max-age=9"}, false, 9, 0},
		{"a cache that is not named ignores it", []string{"Other-Cache-Control: max-age=1", "Surrogate-Control: max-age=2", "Cache-Control: max-age=9"}, false, 9, 0},
	}
	for _, tt := range tests {
		m := meta(tt.header...)
		equal(t, tt.rule+": targeted", m.Flags.Has(FlagTargeted), tt.use)
		equal(t, tt.rule+": flags", m.Flags&^FlagTargeted, tt.flags)
		equal(t, tt.rule+": max-age", m.MaxAge, tt.maxAge)
	}
}

func TestTargeted_IgnoresExpires(t *testing.T) {
	h := head("CDN-Cache-Control: max-age=0", "Expires: "+date(99), "Date: "+date(0))
	m := NewMeta(200, h, t0, t0)
	equal(t, "max-age=0 beside Expires", m.Lifetime(&Policy{}), 0)
	m = NewMeta(200, Fields{{"CDN-Cache-Control", " "}, {"Cache-Control", "max-age=5"}}, t0, t0)
	equal(t, "a blank field is an empty one", m.Lifetime(&Policy{}), sec(5))
	m = meta("CDN-Cache-Control: foo", "Expires: "+date(99), "Date: "+date(0))
	equal(t, "no freshness at all beside Expires", m.Lifetime(&Policy{}), 0)
}

func TestTargeted_OwnTargetList(t *testing.T) {
	h := head("Surrogate-Control: max-age=7", "CDN-Cache-Control: max-age=8", "Cache-Control: max-age=9")
	m := NewMetaTargeted(200, h, t0, t0, "Surrogate-Control", "CDN-Cache-Control")
	equal(t, "the first of the list", m.MaxAge, 7)
	h = head("Surrogate-Control: ???", "CDN-Cache-Control: max-age=8", "Cache-Control: max-age=9")
	m = NewMetaTargeted(200, h, t0, t0, "Surrogate-Control", "CDN-Cache-Control")
	equal(t, "the first that is valid", m.MaxAge, 8)
}

// sfAnswer is what another implementation makes of the same dictionary.
func sfAnswer(t *testing.T, value string) (kinds map[string]sfKind, ok bool) {
	t.Helper()
	dict, err := httpsfv.UnmarshalDictionary([]string{value})
	if err != nil {
		return nil, false
	}
	kinds = map[string]sfKind{}
	for _, name := range dict.Names() {
		member, _ := dict.Get(name)
		kinds[name] = kindOf(t, member)
	}
	return kinds, true
}

func kindOf(t *testing.T, member httpsfv.Member) sfKind {
	item, ok := member.(httpsfv.Item)
	if !ok {
		return sfInnerList
	}
	switch item.Value.(type) {
	case int64:
		return sfInteger
	case float64:
		return sfDecimal
	case string:
		return sfString
	case httpsfv.Token:
		return sfToken
	case []byte:
		return sfBytes
	case bool:
		return sfBoolean
	case httpsfv.DisplayString:
		return sfDisplay
	}
	return sfDate
}

func FuzzDictionary(f *testing.F) {
	for _, s := range []string{
		"", " ", "a", "a=1, b=2.5;x=?1, c", `a="x\"y", *b=tok/en:x`, "a=(1 2;q=3 (4));z", "a=( 1  2 )", "a=:YWJj:, b=?0", "a=@1659578233", `a=%"f%c3%bc"`,
		"a=1,", "a =1", "A=1", "a=1.", "a=-", "a=1234567890123456", "a=1,\tb=2", "a=1;b;c=\"d\"", "a=();b", "a=?2", `a="`, "a=%\"%", "a=:", "a=@1.5", "a=1 b",
		`a=("x"1)`, "a=(1", "a=(1;)", "a=1;", "a=1;B", "a=1;b=", "a=", "a=\"\\x\"", "a=\"é\"", "a=:#:", "a=@x", "a=%x", "a=%\"%zz\"", "a=%\"é\"", "a=-1.125", "a=1.1234",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p := dictionary{s: value}
		got := map[string]sfKind{}
		for p.next() {
			got[p.key] = p.value.kind
		}
		want, ok := sfAnswer(t, value)
		if ok == p.failed && !lenient(value) {
			t.Fatalf("%q: failed %v, the other parser accepts %v", value, p.failed, ok)
		}
		if !ok || p.failed {
			return
		}
		for key, kind := range want {
			if got[key] != kind {
				t.Fatalf("%q: %s is %d, want %d", value, key, got[key], kind)
			}
		}
		equal(t, value+": members", len(got), len(want))
	})
}

// lenient reports whether value may hold a Byte Sequence or a Display String, whose content this package
// does not decode.
func lenient(value string) bool { return strings.ContainsAny(value, ":%") }
