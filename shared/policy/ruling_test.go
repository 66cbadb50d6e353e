package policy

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tiercache/shared/httpcache"
)

// ruled is a service with these rules, as a node uses it.
func ruled(t testing.TB, rules ...Rule) *Match {
	t.Helper()
	s := service("a", "*")
	s.Rules = rules
	set, err := NewSet([]Service{s})
	if err != nil {
		t.Fatal(err)
	}
	return set.All()[0]
}

func yes() *bool { return new(true) }

// fields are the fields of a request.
type fields map[string]string

func (f fields) Field(name string) (string, bool) {
	value, ok := f[name]
	return value, ok
}

func drawRule(t *rapid.T) Rule {
	draw := rapid.Bool()
	r := Rule{Match: Condition{Path: rapid.SampledFrom([]string{"", "/a*", "/b", "*c"}).Draw(t, "path")}}
	pick := func(name string, set func()) {
		if draw.Draw(t, name) {
			set()
		}
	}
	second := func() *time.Duration { return lasting(time.Duration(rapid.IntRange(1, 3).Draw(t, "s")) * time.Second) }
	pick("ttl", func() { r.TTL = second() })
	pick("negative", func() { r.NegativeTTL = second() })
	pick("swr", func() { r.StaleWhileRevalidate = second() })
	pick("sie", func() { r.StaleIfError = second() })
	pick("s-maxage", func() { r.SMaxAgeStale = new(draw.Draw(t, "on")) })
	pick("heuristics", func() { r.Heuristics = new(draw.Draw(t, "on")) })
	pick("honour", func() {
		r.RequestDirectives = rapid.SampledFrom([]string{DirectivesHonour, DirectivesIgnore}).Draw(t, "word")
	})
	pick("store", func() {
		r.Store, r.TTL = rapid.SampledFrom([]string{StoreForce, StoreDefault}).Draw(t, "word"), second()
	})
	pick("query", func() {
		r.Key.Query = rapid.SampledFrom([]*Query{{Mode: QueryAll}, {Mode: QueryNone}, {Mode: QuerySort}, {Only: []string{"x"}}, {Except: []string{"x"}}}).Draw(t, "q")
	})
	lists := rapid.SampledFrom([][]string{{}, {"x"}, {"x", "y"}})
	pick("headers", func() { r.Key.Headers = lists.Draw(t, "h") })
	pick("cookies", func() { r.Key.Cookies = lists.Draw(t, "c") })
	pick("tags", func() { r.Tags = lists.Draw(t, "t") })
	if len(r.sets()) == 0 {
		r.Bypass = new(draw.Draw(t, "bypass"))
	}
	return r
}

// last is, of the rules for a path, the value of the last that has one.
func lastOf[T any](rules []Rule, path string, value func(*Rule) (T, bool)) (v T) {
	for i := len(rules) - 1; i >= 0; i-- {
		r := &rules[i]
		if r.Match.Path != "" && !matchPattern(r.Match.Path, path) {
			continue
		}
		if v, ok := value(r); ok {
			return v
		}
	}
	return v
}

// deref is for fields that are pointers.
func deref[T any](field func(*Rule) *T) func(*Rule) (T, bool) {
	return func(r *Rule) (v T, ok bool) {
		if p := field(r); p != nil {
			return *p, true
		}
		return v, false
	}
}

func pointer[T any](field func(*Rule) *T) func(*Rule) (*T, bool) {
	return func(r *Rule) (*T, bool) { return field(r), field(r) != nil }
}

func list(field func(*Rule) []string) func(*Rule) ([]string, bool) {
	return func(r *Rule) ([]string, bool) { return field(r), field(r) != nil }
}

// expected is the definition: each field by itself.
func expected(rules []Rule, path string) Ruling {
	r := Ruling{
		Override: httpcache.Override{
			TTL:                  lastOf(rules, path, pointer(func(r *Rule) *time.Duration { return r.TTL })),
			NegativeTTL:          lastOf(rules, path, pointer(func(r *Rule) *time.Duration { return r.NegativeTTL })),
			StaleWhileRevalidate: lastOf(rules, path, pointer(func(r *Rule) *time.Duration { return r.StaleWhileRevalidate })),
			StaleIfError:         lastOf(rules, path, pointer(func(r *Rule) *time.Duration { return r.StaleIfError })),
		},
		Bypass:       lastOf(rules, path, deref(func(r *Rule) *bool { return r.Bypass })),
		SMaxAgeStale: lastOf(rules, path, deref(func(r *Rule) *bool { return r.SMaxAgeStale })),
		ForceStore:   lastOf(rules, path, func(r *Rule) (string, bool) { return r.Store, r.Store != "" }) == StoreForce,
		Honour:       lastOf(rules, path, func(r *Rule) (string, bool) { return r.RequestDirectives, r.RequestDirectives != "" }) == DirectivesHonour,
		Query:        lastOf(rules, path, pointer(func(r *Rule) *Query { return r.Key.Query })),
		Headers:      lastOf(rules, path, list(func(r *Rule) []string { return r.Key.Headers })),
		Cookies:      lastOf(rules, path, list(func(r *Rule) []string { return r.Key.Cookies })),
		Tags:         lastOf(rules, path, list(func(r *Rule) []string { return r.Tags })),
	}
	r.NoHeuristics = !lastOf(rules, path, func(r *Rule) (bool, bool) { return r.Heuristics == nil || *r.Heuristics, r.Heuristics != nil }) &&
		lastOf(rules, path, func(r *Rule) (bool, bool) { return true, r.Heuristics != nil })
	if r.ForceStore && r.Cookies == nil {
		r.Cookies = []string{}
	}
	return r
}

func TestMatch_RuleOfEachFieldTheLastRuleThatSetsItWins(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := ruled(t, rapid.SliceOfN(rapid.Custom(drawRule), 0, 5).Draw(rt, "rules")...)
		path := rapid.SampledFrom([]string{"/a", "/b", "/c", "/ac", "/d"}).Draw(rt, "path")
		got, want := m.Rule(path+"?q", nil), expected(m.Rules, path)
		got.Print, got.by = 0, by{}
		if !reflect.DeepEqual(got, want) {
			rt.Fatalf("\n got %+v\nwant %+v", got, want)
		}
	})
}

// printed is what of a ruling decides key, tags or storability, in words: what says no more than the default is left out.
func printed(r *Ruling) string {
	var query Query
	if r.Query.rewrites() {
		query = *r.Query
	}
	return fmt.Sprintf("%t %q %q %t %q %q", r.ForceStore, query, r.Headers, r.Cookies != nil, r.Cookies, r.Tags)
}

// The fingerprint follows what decides key, tags or storability, and nothing else: a lifetime that changes must not empty
// the cache, and a rule for some paths not that of others.
func TestMatch_RulePrintIsThatOfWhatDecidesKeyTagsAndStorability(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		path := rapid.SampledFrom([]string{"/a", "/b", "/c", "/ac", "/d"})
		rules := rapid.SliceOfN(rapid.Custom(drawRule), 0, 3)
		one, other := ruled(t, rules.Draw(rt, "one")...), ruled(t, rules.Draw(rt, "other")...)
		a, b := one.Rule(path.Draw(rt, "path"), nil), other.Rule(path.Draw(rt, "other path"), nil)
		same := printed(&a) == printed(&b)
		// That cookies are kept from the upstream may be said or follow from force: that these differ does no harm.
		if a.ForceStore && b.ForceStore && len(a.Cookies)+len(b.Cookies) == 0 {
			return
		}
		if same != (a.Print == b.Print) {
			rt.Fatalf("%s and %s: same print %t", printed(&a), printed(&b), a.Print == b.Print)
		}
		if printed(&a) == printed(&Ruling{}) && a.Print != one.Print {
			rt.Fatal("rules that say nothing about it change the print")
		}
	})
}

func TestMatch_RuleConditions(t *testing.T) {
	m := ruled(t,
		Rule{TTL: lasting(time.Minute)},
		Rule{Match: Condition{Query: map[string]string{"preview": "*", "as": "a*"}}, Bypass: yes()},
		Rule{Match: Condition{Path: "/shop/*", Header: map[string]string{"Cookie": "*session=*"}}, Bypass: yes()},
	)
	for _, c := range []struct {
		target string
		fields fields
		want   bool
	}{
		{"/?preview=1&as=admin", nil, true}, {"/?as=a&x&preview", nil, true}, {"/?preview=1&as=b&as=ab", nil, true},
		{"/?preview=1&as=b", nil, false}, {"/?preview=1", nil, false}, {"/?xpreview=1&as=a", nil, false}, {"/preview=1&as=a", nil, false},
		{"/?&&", nil, false}, {"/?Preview=1&as=a", nil, false},
		{"/shop/x", fields{"Cookie": "a=b; session=1"}, true}, {"/shop/x", fields{"Cookie": "sessions=1"}, false},
		{"/shop/x", fields{}, false}, {"/shop/x", nil, false}, {"/", fields{"Cookie": "session=1"}, false},
	} {
		var f RequestFields
		if c.fields != nil {
			f = c.fields
		}
		if got := m.Rule(c.target, f); got.Bypass != c.want || got.Override.TTL == nil {
			t.Errorf("%s %v: bypass %t", c.target, c.fields, got.Bypass)
		}
	}
}

func TestMatch_Deciding(t *testing.T) {
	m := ruled(t,
		Rule{Name: "all", TTL: lasting(time.Minute), NegativeTTL: lasting(time.Second)},
		Rule{Match: Condition{Path: "/a/*"}, TTL: lasting(time.Hour), Store: StoreForce},
		Rule{Match: Condition{Path: "/b/*"}, Bypass: yes()},
		Rule{Match: Condition{Path: "/c/*"}, StaleIfError: lasting(time.Hour), Key: Key{Query: &Query{Mode: QueryAll}}},
		Rule{Match: Condition{Path: "/d/*"}, Key: Key{Query: &Query{Mode: QuerySort}, Headers: []string{"X-A"}}},
		Rule{Name: "e", Match: Condition{Path: "/d/e/*"}, Key: Key{Cookies: []string{"a"}}, Store: StoreDefault},
	)
	for path, want := range map[string]string{
		"/": "rule:all |rule:all ||", "/a/": "rules[1] |rule:all rules[1] |rules[1] |", "/b/": "rule:all |rule:all ||rules[2]", "/c/": "rule:all |rule:all ||",
		"/d/": "rule:all rules[4] |rule:all rules[4] |rules[4] |", "/d/e/": "rule:all rules[4] rule:e |rule:all rules[4] rule:e |rules[4] rule:e |",
	} {
		r := m.Rule(path, nil)
		var got strings.Builder
		for _, status := range []int{200, 404, 500} {
			for _, label := range m.Deciding(&r, status) {
				if label != "" {
					got.WriteString(label + " ")
				}
			}
			got.WriteString("|")
		}
		if got.WriteString(m.BypassRule(&r)); got.String() != want {
			t.Errorf("%s: %q, want %q", path, got.String(), want)
		}
	}
}

func TestMatch_RuleDoesNotAllocate(t *testing.T) {
	m := ruled(t,
		Rule{TTL: lasting(time.Minute), Store: StoreForce, Key: Key{Query: &Query{Mode: QuerySort}, Headers: []string{"X-A"}}, Tags: []string{"a"}},
		Rule{Match: Condition{Path: "/a/*", Query: map[string]string{"x": "*"}, Header: map[string]string{"X": "*"}}, Bypass: yes()},
	)
	var f RequestFields = fields{"X": "y"}
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() {
		r := m.Rule("/a/b?z=1&x=2&y=3", f)
		buf = r.Query.AppendTarget(buf[:0], "/a/b?z=1&x=2&y=3")
		m.Deciding(&r, 200)
	}); n != 0 || string(buf) != "/a/b?x=2&y=3&z=1" {
		t.Errorf("%v allocations, %s", n, buf)
	}
}

func BenchmarkMatch_Rule(b *testing.B) {
	m := ruled(b,
		Rule{TTL: lasting(time.Minute), StaleIfError: lasting(time.Hour)},
		Rule{Match: Condition{Path: "/img/*"}, TTL: lasting(time.Hour)},
		Rule{Match: Condition{Path: "*.css"}, TTL: lasting(time.Hour), Tags: []string{"a"}},
	)
	b.ReportAllocs()
	for b.Loop() {
		m.Rule("/some/path?with=query", nil)
	}
}
