package httpcache

import (
	"testing"
	"time"
)

func TestOverride_ReplacesWhatResponsesSay(t *testing.T) {
	hour, minute := time.Hour, time.Minute
	p := &Policy{Override: Override{TTL: &hour, NegativeTTL: &minute, StaleIfError: &minute}}
	for _, c := range []struct {
		status int
		line   string
		want   time.Duration
	}{
		{200, "Cache-Control: max-age=5", hour}, {301, "Cache-Control: s-maxage=5", hour}, {404, "Cache-Control: max-age=5", minute},
		{500, "Cache-Control: max-age=5", 5 * time.Second}, {302, "Cache-Control: max-age=5", 5 * time.Second}, {200, "X: y", hour},
	} {
		m := NewMeta(c.status, head(c.line), time.Unix(1000, 0), time.Unix(1000, 0))
		equal(t, c.line, m.Lifetime(p), c.want)
	}
	m := NewMeta(200, head("X: y"), time.Unix(1000, 0), time.Unix(1000, 0))
	request := ParseRequest("GET", head())
	equal(t, "without a rule", Storable(&request, &m, head("X: y"), &Policy{}), ReasonNoFreshness)
	equal(t, "with a rule", Storable(&request, &m, head("X: y"), p), ReasonNone)
	private := NewMeta(200, head("Cache-Control: private"), time.Unix(1000, 0), time.Unix(1000, 0))
	equal(t, "private stays private", Storable(&request, &private, head("Cache-Control: private"), p), ReasonPrivate)
}

func TestFlagPurged_IsStaleWhateverIsLeft(t *testing.T) {
	m := NewMeta(200, head("Cache-Control: max-age=100, stale-while-revalidate=10, stale-if-error=10"), time.Unix(1000, 0), time.Unix(1000, 0))
	request := ParseRequest("GET", head())
	now := time.Unix(1001, 0)
	equal(t, "before", Decide(&m, &request, now, &Policy{}).Use, UseFresh)
	m.Flags |= FlagPurged
	d := Decide(&m, &request, now, &Policy{})
	equal(t, "purged", d.Use, UseStaleWhileRevalidate)
	equal(t, "time left", d.TTL, time.Duration(0))
	equal(t, "on error", MayServeOnError(&m, &request, now, &Policy{}), true)
	m.StaleWhileRevalidate, m.StaleIfError = -1, -1
	equal(t, "without a window", Decide(&m, &request, now, &Policy{}).Use, UseRevalidate)
	equal(t, "on error without a window", MayServeOnError(&m, &request, now, &Policy{}), false)
}
