package httpcache

import "testing"

func TestStorable_RFC9111_3(t *testing.T) {
	const fresh = "Cache-Control: max-age=60"
	tests := []struct {
		rule    string
		method  string
		request []string
		status  int
		header  []string
		policy  Policy
		want    Reason
	}{
		{"fresh", "GET", nil, 200, []string{fresh}, Policy{}, ReasonNone},
		{"HEAD is never stored", "HEAD", nil, 200, []string{fresh}, Policy{}, ReasonMethod},
		{"nor POST", "POST", nil, 200, []string{fresh}, Policy{}, ReasonMethod},
		{"nor an unknown method", "FOO", nil, 200, []string{fresh}, Policy{}, ReasonMethod},
		{"methods have a case", "get", nil, 200, []string{fresh}, Policy{}, ReasonMethod},
		{"preconditions go to the origin", "GET", []string{`If-Match: "a"`}, 200, []string{fresh}, Policy{}, ReasonPrecondition},
		{"no-store", "GET", nil, 200, []string{"Cache-Control: no-store, max-age=60"}, Policy{}, ReasonNoStore},
		{"no-store of the client is ignored", "GET", []string{"Cache-Control: no-store"}, 200, []string{fresh}, Policy{}, ReasonNone},
		{"unless honoured", "GET", []string{"Cache-Control: no-store"}, 200, []string{fresh}, Policy{HonourRequestDirectives: true}, ReasonRequestNoStore},
		{"private", "GET", nil, 200, []string{"Cache-Control: private, max-age=60"}, Policy{}, ReasonPrivate},
		{"private with names", "GET", nil, 200, []string{`Cache-Control: private="x-me", max-age=60`}, Policy{}, ReasonNone},
		{"no-cache with a validator", "GET", nil, 200, []string{"Cache-Control: no-cache", `ETag: "a"`}, Policy{}, ReasonNone},
		{"no-cache without one is no use", "GET", nil, 200, []string{"Cache-Control: no-cache, max-age=60"}, Policy{}, ReasonNoFreshness},
		{"must-understand, known status", "GET", nil, 200, []string{"Cache-Control: no-store, must-understand, max-age=60"}, Policy{}, ReasonNone},
		{"must-understand, unknown status", "GET", nil, 499, []string{"Cache-Control: no-store, must-understand, max-age=60"}, Policy{}, ReasonMustUnderstand},
		{"must-understand alone, unknown status", "GET", nil, 299, []string{"Cache-Control: must-understand, max-age=60"}, Policy{}, ReasonMustUnderstand},
		{"must-understand does not take back private", "GET", nil, 200, []string{"Cache-Control: must-understand, private"}, Policy{}, ReasonPrivate},
		{"206", "GET", []string{"Range: bytes=0-1"}, 206, []string{fresh}, Policy{}, ReasonPartial},
		{"200 to a Range request", "GET", []string{"Range: bytes=0-1"}, 200, []string{fresh}, Policy{}, ReasonNone},
		{"103", "GET", nil, 103, []string{fresh}, Policy{}, ReasonStatus},
		{"100", "GET", nil, 100, []string{fresh}, Policy{}, ReasonStatus},
		{"304", "GET", nil, 304, []string{fresh, `ETag: "a"`}, Policy{}, ReasonStatus},
		{"412", "GET", nil, 412, []string{fresh}, Policy{}, ReasonStatus},
		{"416", "GET", nil, 416, []string{fresh}, Policy{}, ReasonStatus},
		{"429 (RFC 6585)", "GET", nil, 429, []string{fresh}, Policy{}, ReasonStatus},
		{"431 (RFC 6585)", "GET", nil, 431, []string{fresh}, Policy{}, ReasonStatus},
		{"no status at all", "GET", nil, 0, []string{fresh}, Policy{}, ReasonStatus},
		{"600", "GET", nil, 600, []string{fresh}, Policy{}, ReasonStatus},
		{"unknown 299 with freshness", "GET", nil, 299, []string{fresh}, Policy{}, ReasonNone},
		{"unknown 499 with freshness", "GET", nil, 499, []string{fresh}, Policy{}, ReasonNone},
		{"unknown 599 with freshness", "GET", nil, 599, []string{fresh}, Policy{}, ReasonNone},
		{"unknown 599 with Expires", "GET", nil, 599, []string{"Expires: " + date(60), "Date: " + date(0)}, Policy{}, ReasonNone},
		{"302 without freshness", "GET", nil, 302, []string{`ETag: "a"`}, Policy{}, ReasonNoFreshness},
		{"302 public", "GET", nil, 302, []string{"Cache-Control: public", `ETag: "a"`}, Policy{}, ReasonNone},
		{"404 by heuristic", "GET", nil, 404, []string{"Last-Modified: " + date(-999)}, Policy{}, ReasonNone},
		{"200 with a validator only", "GET", nil, 200, []string{`ETag: "a"`}, Policy{}, ReasonNone},
		{"200 with nothing", "GET", nil, 200, nil, Policy{}, ReasonNoFreshness},
		{"max-age=0 with nothing", "GET", nil, 200, []string{"Cache-Control: max-age=0"}, Policy{}, ReasonNoFreshness},
		{"max-age=0 with stale-while-revalidate", "GET", nil, 200, []string{"Cache-Control: max-age=0, stale-while-revalidate=9"}, Policy{}, ReasonNone},
		{"max-age=0 with the policy's stale-if-error", "GET", nil, 200, []string{"Cache-Control: max-age=0"}, Policy{Override: Override{StaleIfError: lasting(9)}}, ReasonNone},
		{"stale windows that s-maxage forbids", "GET", nil, 200, []string{"Cache-Control: s-maxage=0, stale-while-revalidate=9"}, Policy{}, ReasonNoFreshness},
		{"stale on arrival, beyond every window", "GET", nil, 200, []string{fresh + ", stale-if-error=9", "Age: 69"}, Policy{}, ReasonNoFreshness},
		{"stale on arrival, inside a window", "GET", nil, 200, []string{fresh + ", stale-if-error=9", "Age: 68"}, Policy{}, ReasonNone},
		{"stale on arrival", "GET", nil, 200, []string{fresh, "Age: 60"}, Policy{}, ReasonNoFreshness},
		{"Vary on a field", "GET", nil, 200, []string{fresh, "Vary: Accept"}, Policy{}, ReasonNone},
		{"Vary star", "GET", nil, 200, []string{fresh, "Vary: Accept", "Vary: Foo, *"}, Policy{}, ReasonVaryStar},
		{"Set-Cookie", "GET", nil, 200, []string{fresh, "Set-Cookie: a=b"}, Policy{}, ReasonSetCookie},
		{"Set-Cookie2", "GET", nil, 200, []string{fresh, "set-cookie2: a=b"}, Policy{}, ReasonSetCookie},
		{"Set-Cookie, empty", "GET", nil, 200, []string{fresh, "Set-Cookie:"}, Policy{}, ReasonSetCookie},
		{"Set-Cookie, opted in", "GET", nil, 200, []string{fresh, "Set-Cookie: a=b"}, Policy{StoreSetCookie: true}, ReasonNone},
		{"Set-Cookie, withheld by name", "GET", nil, 200, []string{`Cache-Control: max-age=60, no-cache="Set-Cookie"`, "Set-Cookie: a=b"}, Policy{}, ReasonNone},
		{"Set-Cookie, withheld by a longer name", "GET", nil, 200, []string{`Cache-Control: max-age=60, no-cache="Set-Cookie2"`, "Set-Cookie: a=b"}, Policy{}, ReasonSetCookie},
	}
	for _, tt := range tests {
		h := head(tt.header...)
		r := ParseRequest(tt.method, head(tt.request...))
		m := NewMeta(tt.status, h, t0, t0)
		equal(t, tt.rule, Storable(&r, &m, h, &tt.policy), tt.want)
		m = NewMeta(tt.status, plain{h}, t0, t0)
		equal(t, tt.rule+", other header type", Storable(&r, &m, plain{h}, &tt.policy), tt.want)
	}
}

func TestStorable_Authorization_RFC9111_3_5(t *testing.T) {
	tests := []struct {
		cacheControl string
		want         Reason
	}{
		{"max-age=60", ReasonAuthorization},
		{"max-age=60, proxy-revalidate", ReasonAuthorization},
		{"max-age=60, no-cache=\"x\"", ReasonAuthorization},
		{"max-age=60, public", ReasonNone},
		{"max-age=60, must-revalidate", ReasonNone},
		{"s-maxage=60", ReasonNone},
		{"max-age=60, x=\"public\"", ReasonAuthorization},
	}
	r := get("authorization: Bearer x")
	for _, tt := range tests {
		h := head("Cache-Control: " + tt.cacheControl)
		m := NewMeta(200, h, t0, t0)
		equal(t, tt.cacheControl, Storable(&r, &m, h, &Policy{}), tt.want)
	}
	h := head("CDN-Cache-Control: max-age=60", "Cache-Control: public")
	m := NewMeta(200, h, t0, t0)
	equal(t, "public beside a targeted field", Storable(&r, &m, h, &Policy{}), ReasonAuthorization)
}

func TestReason_Names(t *testing.T) {
	seen := map[string]Reason{}
	for r := ReasonNone; r < reasonCount; r++ {
		name := r.String()
		if other, twice := seen[name]; twice {
			t.Errorf("reasons %d and %d are both %q", other, r, name)
		}
		seen[name] = r
		if r != ReasonNone && (name == "" || sfTokenEnd(name) != len(name)) {
			t.Errorf("reason %d is no token: %q", r, name)
		}
	}
	equal(t, "out of range", reasonCount.String(), "invalid")
}

// A client must not be able to have a key marked as uncacheable for everybody.
func TestReason_OfRequest(t *testing.T) {
	for r := ReasonNone; r < reasonCount; r++ {
		want := r == ReasonMethod || r == ReasonPrecondition || r == ReasonRequestNoStore || r == ReasonAuthorization || r == ReasonPartial || r == ReasonOddRequest
		equal(t, r.String(), r.OfRequest(), want)
	}
}

func TestMethod_Safe_RFC9110_9_2_1(t *testing.T) {
	for method, want := range map[string]bool{"GET": true, "HEAD": true, "OPTIONS": true, "TRACE": true, "POST": false, "PUT": false, "DELETE": false, "FOO": false, "get": false} {
		equal(t, method, ParseMethod(method).Safe(), want)
	}
}
