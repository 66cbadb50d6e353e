package httpcache

import "testing"

func TestSurrogateControl_TakesThePlaceOfTheOthers(t *testing.T) {
	type result struct {
		maxAge, stale int64
		noStore       bool
	}
	for _, c := range []struct {
		lines []string
		want  result
	}{
		{[]string{"Surrogate-Control: max-age=60"}, result{60, -1, false}},
		{[]string{"Surrogate-Control: MaX-aGe=60"}, result{60, -1, false}},
		{[]string{"Surrogate-Control: foobar, max-age = 60 , content=\"ESI/1.0\""}, result{60, -1, false}},
		{[]string{"Surrogate-Control: max-age=60+30"}, result{60, 30, false}},
		{[]string{"Surrogate-Control: max-age=99999999999"}, result{maxDelta, -1, false}},
		{[]string{"Surrogate-Control: max-age=x"}, result{0, -1, false}},
		{[]string{"Surrogate-Control: max-age=60;tiercache"}, result{60, -1, false}},
		{[]string{"Surrogate-Control: max-age=60;other, max-age=10"}, result{10, -1, false}},
		{[]string{"Surrogate-Control: max-age=60;other", "Cache-Control: max-age=5"}, result{5, -1, false}},
		{[]string{"Surrogate-Control: no-store", "Cache-Control: max-age=5"}, result{-1, -1, true}},
		{[]string{"Surrogate-Control: no-store;other, max-age=7", "Cache-Control: no-store"}, result{7, -1, false}},
		{[]string{"Surrogate-Control: max-age=60", "Surrogate-Control: max-age=20"}, result{20, -1, false}},
		{[]string{"Surrogate-Control: content=\"ESI/1.0\"", "Cache-Control: max-age=5"}, result{5, -1, false}},
		{[]string{"Surrogate-Control: max-age=60", "CDN-Cache-Control: max-age=9"}, result{9, -1, false}},
		{[]string{"Surrogate-Control: content=\"a;b, no-store\", max-age=1"}, result{1, -1, false}},
	} {
		m := NewMetaTargeted(200, head(c.lines...), t0, t0, TargetedField, SurrogateField)
		if got := (result{m.MaxAge, m.StaleWhileRevalidate, m.Flags.Has(FlagNoStore)}); got != c.want {
			t.Errorf("%q: %+v, want %+v", c.lines, got, c.want)
		}
	}
	// Whoever has not asked for it is not told by it.
	if m := NewMeta(200, head("Surrogate-Control: max-age=60", "Cache-Control: no-store"), t0, t0); !m.Flags.Has(FlagNoStore) || m.MaxAge != -1 {
		t.Errorf("%+v", m)
	}
}
