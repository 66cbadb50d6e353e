package httpcache

import (
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	honour := Policy{HonourRequestDirectives: true}
	tests := []struct {
		rule    string
		header  string // the stored Cache-Control
		request []string
		at      int64 // s after arrival
		policy  Policy
		use     Use
		fwd     FwdReason
	}{
		{"4.2 fresh", "max-age=60", nil, 59, Policy{}, UseFresh, FwdNone},
		{"4.2 fresh means older than is not", "max-age=60", nil, 60, Policy{}, UseRevalidate, FwdStale},
		{"5.2.2.4 no-cache is validated even when fresh", "no-cache, max-age=60", nil, 0, Policy{}, UseRevalidate, FwdStale},
		{"5.2.2.4 no-cache with names may be used", `no-cache="x", max-age=60`, nil, 0, Policy{}, UseFresh, FwdNone},

		{"5861 3 inside the window", "max-age=60, stale-while-revalidate=10", nil, 69, Policy{}, UseStaleWhileRevalidate, FwdNone},
		{"5861 3 at its end", "max-age=60, stale-while-revalidate=10", nil, 70, Policy{}, UseRevalidate, FwdStale},
		{"5861 3 window of 0", "max-age=60, stale-while-revalidate=0", nil, 60, Policy{}, UseRevalidate, FwdStale},
		{"5861 3 window of the policy", "max-age=60", nil, 65, Policy{Override: Override{StaleWhileRevalidate: lasting(10)}}, UseStaleWhileRevalidate, FwdNone},
		{"5.2.2.2 must-revalidate forbids stale", "max-age=60, must-revalidate, stale-while-revalidate=10", nil, 61, Policy{}, UseRevalidate, FwdStale},
		{"5.2.2.8 proxy-revalidate forbids stale", "max-age=60, proxy-revalidate, stale-while-revalidate=10", nil, 61, Policy{}, UseRevalidate, FwdStale},
		{"5.2.2.10 s-maxage forbids stale", "s-maxage=60, stale-while-revalidate=10", nil, 61, Policy{}, UseRevalidate, FwdStale},
		{"5.2.2.10 also the policy's window", "s-maxage=60", nil, 61, Policy{Override: Override{StaleWhileRevalidate: lasting(3600)}}, UseRevalidate, FwdStale},
		{"5.2.2.10 unless opted in", "s-maxage=60, stale-while-revalidate=10", nil, 61, Policy{StaleDespiteSMaxAge: true}, UseStaleWhileRevalidate, FwdNone},
		{"must-revalidate has no opt-out", "s-maxage=60, must-revalidate, stale-while-revalidate=10", nil, 61, Policy{StaleDespiteSMaxAge: true}, UseRevalidate, FwdStale},

		{"5.2.1.4 no-cache is ignored by default", "max-age=60", []string{"Cache-Control: no-cache"}, 1, Policy{}, UseFresh, FwdNone},
		{"5.2.1.4 no-cache honoured", "max-age=60", []string{"Cache-Control: no-cache"}, 1, honour, UseRevalidate, FwdRequest},
		{"5.4 Pragma honoured", "max-age=60", []string{"Pragma: no-cache"}, 1, honour, UseRevalidate, FwdRequest},
		{"5.4 Pragma beside Cache-Control", "max-age=60", []string{"Pragma: no-cache", "Cache-Control: max-age=60"}, 1, honour, UseFresh, FwdNone},
		{"5.4 Pragma beside an empty Cache-Control", "max-age=60", []string{"Pragma: no-cache", "Cache-Control:"}, 1, honour, UseFresh, FwdNone},
		{"5.2.1.1 max-age ignored by default", "max-age=60", []string{"Cache-Control: max-age=0"}, 1, Policy{}, UseFresh, FwdNone},
		{"5.2.1.1 max-age reached", "max-age=60", []string{"Cache-Control: max-age=5"}, 5, honour, UseFresh, FwdNone},
		{"5.2.1.1 max-age exceeded", "max-age=60", []string{"Cache-Control: max-age=5"}, 6, honour, UseRevalidate, FwdRequest},
		{"5.2.1.3 min-fresh met", "max-age=60", []string{"Cache-Control: min-fresh=50"}, 10, honour, UseFresh, FwdNone},
		{"5.2.1.3 min-fresh not met", "max-age=60", []string{"Cache-Control: min-fresh=50"}, 11, honour, UseRevalidate, FwdRequest},
		{"5.2.1.2 max-stale ignored by default", "max-age=60", []string{"Cache-Control: max-stale"}, 61, Policy{}, UseRevalidate, FwdStale},
		{"5.2.1.2 bare max-stale", "max-age=60", []string{"Cache-Control: max-stale"}, 99999, honour, UseStale, FwdNone},
		{"5.2.1.2 max-stale covers", "max-age=60", []string{"Cache-Control: max-stale=10"}, 70, honour, UseStale, FwdNone},
		{"5.2.1.2 max-stale exceeded", "max-age=60", []string{"Cache-Control: max-stale=10"}, 71, honour, UseRevalidate, FwdStale},
		{"5.2.1.2 max-stale with a bad argument", "max-age=60", []string{"Cache-Control: max-stale=x"}, 61, honour, UseRevalidate, FwdStale},
		{"4.2.4 max-stale against must-revalidate", "max-age=60, must-revalidate", []string{"Cache-Control: max-stale"}, 61, honour, UseRevalidate, FwdStale},
		{"4.2.4 max-stale against s-maxage", "s-maxage=60", []string{"Cache-Control: max-stale"}, 61, honour, UseRevalidate, FwdStale},
		{"4.2.4 max-stale against no-cache", "no-cache, max-age=60", []string{"Cache-Control: max-stale"}, 61, honour, UseRevalidate, FwdStale},

		{"5.2.1.7 only-if-cached, fresh", "max-age=60", []string{"Cache-Control: only-if-cached"}, 1, Policy{}, UseFresh, FwdNone},
		{"5.2.1.7 only-if-cached, stale", "max-age=60", []string{"Cache-Control: only-if-cached"}, 61, Policy{}, UseRefuse, FwdNone},
		{"5.2.1.7 only-if-cached, in a stale window", "max-age=60, stale-while-revalidate=9", []string{"Cache-Control: only-if-cached"}, 61, Policy{}, UseStaleWhileRevalidate, FwdNone},
		{"5.2.1.7 only-if-cached with no-cache honoured", "max-age=60", []string{"Cache-Control: only-if-cached, no-cache"}, 1, honour, UseRefuse, FwdNone},

		{"9110 13.1.1 If-Match goes to the origin", "max-age=60", []string{`If-Match: "a"`}, 1, Policy{}, UseRevalidate, FwdBypass},
		{"9110 13.1.4 If-Unmodified-Since goes to the origin", "max-age=60", []string{"If-Unmodified-Since: " + date(0)}, 1, Policy{}, UseRevalidate, FwdBypass},
		{"an Authorization field alone changes nothing", "max-age=60", []string{"Authorization: x"}, 1, Policy{}, UseFresh, FwdNone},
	}
	for _, tt := range tests {
		m := meta("Cache-Control: "+tt.header, "Date: "+date(0))
		r := get(tt.request...)
		d := Decide(&m, &r, after(tt.at), &tt.policy)
		equal(t, tt.rule+": use", d.Use, tt.use)
		equal(t, tt.rule+": fwd", d.Fwd, tt.fwd)
		equal(t, tt.rule+": age", d.Age, sec(tt.at))
		equal(t, tt.rule+": ttl", d.TTL, sec(60-tt.at))
	}
}

func TestDecide_MethodsThatBypass(t *testing.T) {
	m := meta("Cache-Control: max-age=60")
	for method, want := range map[string]Use{"GET": UseFresh, "HEAD": UseFresh, "POST": UseRevalidate, "FOO": UseRevalidate, "OPTIONS": UseRevalidate, "get": UseRevalidate} {
		r := ParseRequest(method, head("Cache-Control: only-if-cached"))
		d := Decide(&m, &r, t0, &Policy{})
		equal(t, method, d.Use, want)
		if want == UseRevalidate {
			equal(t, method, d.Fwd, FwdMethod)
		}
	}
}

func TestDecide_SubSecond(t *testing.T) {
	m := meta("Cache-Control: max-age=1, stale-while-revalidate=1")
	r := get()
	equal(t, "999 ms", Decide(&m, &r, t0.Add(999*time.Millisecond), &Policy{}).Use, UseFresh)
	equal(t, "1000 ms", Decide(&m, &r, t0.Add(time.Second), &Policy{}).Use, UseStaleWhileRevalidate)
	equal(t, "2000 ms", Decide(&m, &r, t0.Add(2*time.Second), &Policy{}).Use, UseRevalidate)
}

func TestMayServeOnError_RFC5861_4(t *testing.T) {
	honour := Policy{HonourRequestDirectives: true}
	tests := []struct {
		rule    string
		header  string
		request []string
		at      int64
		policy  Policy
		want    bool
	}{
		{"inside the window", "max-age=60, stale-if-error=10", nil, 69, Policy{}, true},
		{"after it", "max-age=60, stale-if-error=10", nil, 70, Policy{}, false},
		{"no window", "max-age=60", nil, 60, Policy{}, false},
		{"window of the policy", "max-age=60", nil, 65, Policy{Override: Override{StaleIfError: lasting(10)}}, true},
		{"the policy's window beats the response's own", "max-age=60, stale-if-error=10", nil, 65, Policy{Override: Override{StaleIfError: lasting(1)}}, false},
		{"still fresh", "max-age=60", nil, 10, Policy{}, true},
		{"must-revalidate", "max-age=60, must-revalidate, stale-if-error=10", nil, 61, Policy{}, false},
		{"proxy-revalidate", "max-age=60, proxy-revalidate, stale-if-error=10", nil, 61, Policy{}, false},
		{"s-maxage", "s-maxage=60, stale-if-error=10", nil, 61, Policy{}, false},
		{"s-maxage, opted in", "s-maxage=60, stale-if-error=10", nil, 61, Policy{StaleDespiteSMaxAge: true}, true},
		{"no-cache, fresh or not", "no-cache, max-age=60, stale-if-error=10", nil, 1, Policy{Override: Override{StaleIfError: lasting(3600)}}, false},
		{"no-cache of the client, honoured", "max-age=60, stale-if-error=10", []string{"Cache-Control: no-cache"}, 1, honour, false},
		{"the client's window is ignored by default", "max-age=60", []string{"Cache-Control: stale-if-error=10"}, 61, Policy{}, false},
		{"the client's window, honoured", "max-age=60", []string{"Cache-Control: stale-if-error=10"}, 61, honour, true},
		{"the client's window against must-revalidate", "max-age=60, must-revalidate", []string{"Cache-Control: stale-if-error=10"}, 61, honour, false},
		{"preconditions", "max-age=60, stale-if-error=10", []string{`If-Match: "a"`}, 61, Policy{}, false},
	}
	for _, tt := range tests {
		m := meta("Cache-Control: " + tt.header)
		r := get(tt.request...)
		equal(t, tt.rule, MayServeOnError(&m, &r, after(tt.at), &tt.policy), tt.want)
	}
	for status := 100; status < 600; status++ {
		want := status == 500 || status == 502 || status == 503 || status == 504
		equal(t, "ErrorStatus", ErrorStatus(status), want)
	}
}

func TestParseRequest_RFC9111_5_2_1(t *testing.T) {
	r := get("Cache-Control: MAX-AGE=5, min-fresh=\"6\"", "cache-control: max-stale=7, only-if-cached, no-store, stale-if-error=8", "Range: bytes=0-")
	equal(t, "max-age", r.MaxAge, 5)
	equal(t, "min-fresh", r.MinFresh, 6)
	equal(t, "max-stale", r.MaxStale, 7)
	equal(t, "stale-if-error", r.StaleIfError, 8)
	equal(t, "flags", r.Flags, RequestOnlyIfCached|RequestNoStore|RequestRange)
	equal(t, "pragma", get("Pragma: foo, No-Cache").Flags, RequestNoCache)
	equal(t, "quoted pragma", get(`Pragma: foo="a, no-cache"`).Flags, 0)
	equal(t, "conditions", get(`If-None-Match: *`).Flags, RequestCondition)
	equal(t, "nothing", get(), Request{Method: MethodGet, MaxAge: -1, MinFresh: -1, MaxStale: -1, StaleIfError: -1})
	equal(t, "other header type", ParseRequest("GET", plain{head("Cache-Control: no-cache")}).Flags, RequestNoCache)
}
