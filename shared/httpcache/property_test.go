package httpcache

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawFields draws a header of fields that matter, valid and not.
func drawFields(t *rapid.T, label string) Fields {
	cacheControl := rapid.SampledFrom([]string{
		"max-age=60", "max-age=0", "max-age=x", "s-maxage=30", "s-maxage=0", "no-store", "no-cache", "private", `private="x-secret"`, `no-cache="x-secret"`,
		"public", "must-revalidate", "proxy-revalidate", "must-understand", "stale-while-revalidate=20", "stale-if-error=40", "immutable", `foo="a, no-store"`,
	})
	sec := rapid.Int64Range(-200, 200)
	lines := map[string]*rapid.Generator[string]{
		"Cache-Control":     cacheControl,
		"CDN-Cache-Control": rapid.SampledFrom([]string{"max-age=50", "no-store", "private", "&&", "max-age=\"1\"", "no-cache, max-age=9"}),
		"Date":              rapid.Map(sec, date),
		"Expires":           rapid.OneOf(rapid.Map(sec, date), rapid.SampledFrom([]string{"0", ""})),
		"Last-Modified":     rapid.Map(sec, date),
		"Age":               rapid.SampledFrom([]string{"0", "10", "70", "x", "2147483648"}),
		"ETag":              rapid.SampledFrom([]string{`"a"`, `W/"a"`, "a"}),
		"Vary":              rapid.SampledFrom([]string{"Accept", "*", "Accept, Cookie"}),
		"Set-Cookie":        rapid.Just("a=b"),
		"X-Secret":          rapid.Just("s"),
		"Connection":        rapid.SampledFrom([]string{"close", "x-secret", "cache-control"}),
		"Content-Length":    rapid.SampledFrom([]string{"0", "10"}),
		"Content-Encoding":  rapid.SampledFrom([]string{"gzip", "br"}),
		"Content-Range":     rapid.SampledFrom([]string{"bytes 0-1/2", "bytes 1-2/3"}),
	}
	names := []string{"Cache-Control", "Cache-Control", "Cache-Control", "CDN-Cache-Control", "Date", "Expires", "Last-Modified", "Age", "ETag", "Vary",
		"Set-Cookie", "X-Secret", "Connection", "Content-Length", "Content-Encoding", "Content-Range"}
	var f Fields
	for _, name := range names {
		if rapid.IntRange(0, 2).Draw(t, label+" has "+name) == 0 {
			f.Add(name, lines[name].Draw(t, label+" "+name))
		}
	}
	return f
}

func drawRequest(t *rapid.T) Request {
	directives := rapid.SliceOfN(rapid.SampledFrom([]string{
		"no-cache", "no-store", "max-age=5", "min-fresh=5", "max-stale", "max-stale=30", "only-if-cached", "stale-if-error=9",
	}), 0, 3).Draw(t, "request directives")
	h := head("Cache-Control: " + strings.Join(directives, ", "))
	if rapid.Bool().Draw(t, "authorized") {
		h.Add("Authorization", "x")
	}
	return ParseRequest(rapid.SampledFrom([]string{"GET", "HEAD", "POST"}).Draw(t, "method"), h)
}

func drawPolicy(t *rapid.T) Policy {
	return Policy{
		HonourRequestDirectives: rapid.Bool().Draw(t, "honour"),
		StoreSetCookie:          rapid.Bool().Draw(t, "store cookies"),
		StaleDespiteSMaxAge:     rapid.Bool().Draw(t, "stale despite s-maxage"),
		NoHeuristics:            rapid.Bool().Draw(t, "no heuristics"),
		Override:                Override{StaleWhileRevalidate: drawWindow(t, "swr"), StaleIfError: drawWindow(t, "sie")},
	}
}

// drawWindow is what an operator may say of a window; nil: nothing.
func drawWindow(t *rapid.T, name string) *time.Duration {
	return rapid.Ptr(rapid.Map(rapid.Int64Range(0, 50), seconds), true).Draw(t, name)
}

func drawMeta(t *rapid.T, h Header) Meta {
	status := rapid.SampledFrom([]int{200, 206, 301, 302, 304, 404, 500, 599, 103}).Draw(t, "status")
	delay := rapid.Int64Range(0, 5).Draw(t, "delay")
	return NewMeta(status, h, after(-delay), t0)
}

// INVARIANT of Decide: what is used unvalidated is fresh or within a window that nothing forbids.
func TestProperty_DecideIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawFields(t, "response")
		m, r, p := drawMeta(t, h), drawRequest(t), drawPolicy(t)
		now := after(rapid.Int64Range(-10, 150).Draw(t, "now"))
		d := Decide(&m, &r, now, &p)
		if d.Age < 0 || d.TTL != m.Lifetime(&p)-d.Age {
			t.Fatalf("age %v, ttl %v", d.Age, d.TTL)
		}
		used := d.Use == UseFresh || d.Use == UseStale || d.Use == UseStaleWhileRevalidate
		switch {
		case used && (m.Flags.Has(FlagNoCache) || r.Method == MethodOther):
			t.Fatalf("%v with no-cache or an unsafe method", d.Use)
		case d.Use == UseFresh && d.Age >= m.Lifetime(&p):
			t.Fatalf("fresh at age %v of %v", d.Age, m.Lifetime(&p))
		case used && d.TTL <= 0 && m.Flags.Any(FlagMustRevalidate|FlagProxyRevalidate):
			t.Fatalf("%v although it must be validated", d.Use)
		case used && d.TTL <= 0 && m.SMaxAge >= 0 && !p.StaleDespiteSMaxAge:
			t.Fatalf("%v although s-maxage forbids stale", d.Use)
		case d.Use == UseRefuse && !r.OnlyIfCached():
			t.Fatal("refused without only-if-cached")
		case (d.Use == UseRevalidate) != (d.Fwd != FwdNone):
			t.Fatalf("%v with fwd %v", d.Use, d.Fwd)
		}
		if MayServeOnError(&m, &r, now, &p) && d.TTL <= 0 && !m.mayBeStale(&p) {
			t.Fatal("stale on error although stale is forbidden")
		}
	})
}

// What can be fresh or used stale can be stored, unless a rule other than usefulness forbids it; and
// what is stored has a use.
func TestProperty_StorableMatchesUse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawFields(t, "response")
		m, p := drawMeta(t, h), drawPolicy(t)
		r := get()
		reason := Storable(&r, &m, h, &p)
		use := Decide(&m, &r, t0, &p).Use
		if use == UseFresh && reason == ReasonNoFreshness {
			t.Fatal("fresh on arrival, yet refused as useless")
		}
		if reason == ReasonNone && use == UseRevalidate && !m.HasValidator() && !MayServeOnError(&m, &r, t0, &p) {
			t.Fatal("stored without any use")
		}
		if reason == ReasonNone && (m.Flags.Has(FlagPrivate) || m.Status < 200 || m.Flags.Has(FlagNoStore) && !m.Flags.Has(FlagMustUnderstand)) {
			t.Fatal("stored against the upstream's word")
		}
		if cookies := StoredFields(h, &m).Has("Set-Cookie"); reason == ReasonNone && cookies && !p.StoreSetCookie {
			t.Fatal("a cookie is stored without leave")
		}
	})
}

func TestProperty_NamesHaveNoCase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawFields(t, "response")
		other := h.Clone()
		for i := range other {
			other[i].Name = strings.ToUpper(other[i].Name)
			if other[i].Name == "CACHE-CONTROL" || other[i].Name == "DATE" || other[i].Name == "VARY" {
				other[i].Value = strings.ToUpper(other[i].Value)
			}
		}
		m1, m2 := NewMeta(200, h, t0, t0), NewMeta(200, other, t0, t0)
		if m1 != m2 {
			t.Fatalf("%+v, in upper case %+v", m1, m2)
		}
		r := drawRequest(t)
		if a, b := Storable(&r, &m1, h, &Policy{}), Storable(&r, &m2, other, &Policy{}); a != b {
			t.Fatalf("stored: %v, in upper case %v", a, b)
		}
		if len(StoredFields(h, &m1)) != len(StoredFields(other, &m2)) {
			t.Fatal("other fields are stored in upper case")
		}
	})
}

func TestProperty_FreshenKeepsTheBytesDescribed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stored, from := drawFields(t, "stored"), drawFields(t, "304")
		got := Freshen(stored, from)
		for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Range"} {
			if joined(got, name) != joined(stored, name) || got.Has(name) != stored.Has(name) {
				t.Fatalf("%s changed from %q to %q", name, joined(stored, name), joined(got, name))
			}
		}
		for _, name := range []string{"Cache-Control", "Expires", "ETag", "Vary"} {
			want := stored
			if from.Has(name) {
				want = from
			}
			if joined(got, name) != joined(want, name) {
				t.Fatalf("%s is %q, want %q", name, joined(got, name), joined(want, name))
			}
		}
	})
}

func TestProperty_AgeNeverRunsBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMeta(t, drawFields(t, "response"))
		a, b := rapid.Int64Range(0, 1<<40).Draw(t, "a"), rapid.Int64Range(0, 1<<40).Draw(t, "b")
		early := time.UnixMilli(t0.UnixMilli() + min(a, b))
		late := time.UnixMilli(t0.UnixMilli() + max(a, b))
		if m.CurrentAge(early) > m.CurrentAge(late) {
			t.Fatalf("older at %v than at %v", early, late)
		}
	})
}

// Fields behaves like a map of lists that keeps the order of lines.
func TestProperty_Fields(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "A", "b", "B", "c"})
	rapid.Check(t, func(t *rapid.T) {
		var f Fields
		model := map[string][]string{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				n, v := name.Draw(t, "name"), rapid.String().Draw(t, "value")
				f.Add(n, v)
				model[strings.ToLower(n)] = append(model[strings.ToLower(n)], v)
			},
			"set": func(t *rapid.T) {
				n, v := name.Draw(t, "name"), rapid.String().Draw(t, "value")
				f.Set(n, v)
				model[strings.ToLower(n)] = []string{v}
			},
			"del": func(t *rapid.T) {
				n := name.Draw(t, "name")
				f.Del(n, "zzz")
				delete(model, strings.ToLower(n))
			},
			"": func(t *rapid.T) { checkFields(t, f.Clone(), model) },
		})
	})
}

func checkFields(t *rapid.T, f Fields, model map[string][]string) {
	total := 0
	for name, values := range model {
		total += len(values)
		i := 0
		for v := range f.Values(name) {
			if i >= len(values) || v != values[i] {
				t.Fatalf("%s line %d is %q, want %q", name, i, v, values)
			}
			i++
		}
		if i != len(values) || f.Value(name) != values[0] || !f.Has(name) {
			t.Fatalf("%s has %d lines, want %q", name, i, values)
		}
	}
	if len(f) != total {
		t.Fatalf("%d lines, want %d", len(f), total)
	}
}
