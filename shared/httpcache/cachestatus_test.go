package httpcache

import (
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
	"pgregory.net/rapid"
)

func TestAppendCacheStatus_RFC9211(t *testing.T) {
	tests := []struct {
		rule string
		m    Member
		want string
	}{
		{"hit", Member{Cache: "edge-1", Outcome: Hit, TTL: sec(376), HasTTL: true}, "edge-1; hit; ttl=376"},
		{"stale hit", Member{Cache: "edge-1", Outcome: Stale, TTL: sec(-412), HasTTL: true}, "edge-1; hit; ttl=-412"},
		{"ttl 0", Member{Cache: "e", Outcome: Hit, HasTTL: true}, "e; hit; ttl=0"},
		{"ttl rounds down", Member{Cache: "e", Outcome: Hit, HasTTL: true, TTL: 1900 * time.Millisecond}, "e; hit; ttl=1"},
		{"ttl rounds down below 0", Member{Cache: "e", Outcome: Stale, HasTTL: true, TTL: -time.Millisecond}, "e; hit; ttl=-1"},
		{"miss", Member{Cache: "e", Outcome: Miss, Fwd: FwdURIMiss, FwdStatus: 200, Stored: true}, "e; fwd=uri-miss; fwd-status=200; stored"},
		{"vary miss", Member{Cache: "e", Outcome: Miss, Fwd: FwdVaryMiss}, "e; fwd=vary-miss"},
		{"miss without a reason", Member{Cache: "e", Outcome: Miss}, "e; fwd=miss"},
		{"collapsed", Member{Cache: "e", Outcome: Collapsed, Fwd: FwdURIMiss}, "e; fwd=uri-miss; collapsed"},
		{"collapsed by flag", Member{Cache: "e", Outcome: Miss, Fwd: FwdStale, Collapsed: true}, "e; fwd=stale; collapsed"},
		{"revalidated", Member{Cache: "e", Outcome: Revalidated, FwdStatus: 304, Stored: true}, "e; fwd=stale; fwd-status=304; stored"},
		{"stale after an error upstream is no hit", Member{Cache: "e", Outcome: Stale, Fwd: FwdStale, FwdStatus: 503}, "e; fwd=stale; fwd-status=503"},
		{"pass", Member{Cache: "e", Outcome: Pass, Fwd: FwdMethod}, "e; fwd=method"},
		{"pass without a reason", Member{Cache: "e", Outcome: Pass}, "e; fwd=bypass"},
		{"error", Member{Cache: "e", Outcome: Error, Detail: "only-if-cached"}, "e; detail=only-if-cached"},
		{"stored and collapsed need fwd", Member{Cache: "e", Outcome: Hit, Stored: true, Collapsed: true, FwdStatus: 200}, "e; hit"},
		{"detail as a token", Member{Cache: "e", Outcome: Miss, Detail: ReasonSetCookie.String()}, "e; fwd=miss; detail=set-cookie"},
		{"detail as a string", Member{Cache: "e", Outcome: Hit, Detail: `a "b" \c`}, `e; hit; detail="a \"b\" \\c"`},
		{"a rule", Member{Cache: "e", Outcome: Hit, Rules: Rules{"", "rule:a"}}, "e; hit; detail=rule:a"},
		{"rules", Member{Cache: "e", Outcome: Hit, Rules: Rules{"rules[1]", "", "rule:a", "", `"`}}, `e; hit; detail="rules[1] rule:a \""`},
		{"a detail goes before rules", Member{Cache: "e", Outcome: Hit, Detail: "disconnected", Rules: Rules{"rule:a"}}, "e; hit; detail=disconnected"},
		{"detail with any bytes", Member{Cache: "e", Outcome: Hit, Detail: "a\x00é\r\n\x7f"}, `e; hit; detail="a%00%C3%A9%0D%0A%7F"`},
		{"name as a string", Member{Cache: "1 edge", Outcome: Hit}, `"1 edge"; hit`},
		{"no name", Member{Outcome: Hit}, `""; hit`},
	}
	for _, tt := range tests {
		equal(t, tt.rule, string(AppendCacheStatus(nil, tt.m)), tt.want)
	}
	equal(t, "appends", string(AppendCacheStatus([]byte("a; hit, "), Member{Cache: "b", Outcome: Hit})), "a; hit, b; hit")
}

// Whatever a member holds, the field stays a list of one member, with hit or fwd but not both.
func TestAppendCacheStatus_AlwaysParses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Member{
			Cache:     string(rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "cache")),
			Outcome:   Outcome(rapid.IntRange(0, int(outcomeCount)-1).Draw(t, "outcome")),
			Fwd:       FwdReason(rapid.IntRange(0, int(fwdCount)-1).Draw(t, "fwd")),
			FwdStatus: rapid.SampledFrom([]int{0, 200, 304, 503}).Draw(t, "status"),
			TTL:       time.Duration(rapid.Int64().Draw(t, "ttl")),
			HasTTL:    rapid.Bool().Draw(t, "has ttl"),
			Stored:    rapid.Bool().Draw(t, "stored"),
			Collapsed: rapid.Bool().Draw(t, "collapsed"),
			Detail:    string(rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "detail")),
		}
		text := string(AppendCacheStatus(nil, m))
		list, err := httpsfv.UnmarshalList([]string{text})
		if err != nil || len(list) != 1 {
			t.Fatalf("%q: %v", text, err)
		}
		params := list[0].(httpsfv.Item).Params
		_, hit := params.Get("hit")
		_, fwd := params.Get("fwd")
		if hit && fwd {
			t.Fatalf("%q has hit and fwd", text)
		}
		if _, stored := params.Get("stored"); stored && !fwd {
			t.Fatalf("%q stored without fwd", text)
		}
	})
}

func TestAppendProxyStatus_RFC9209(t *testing.T) {
	equal(t, "error", string(AppendProxyStatus(nil, "edge-1", ConnectionTimeout)), "edge-1; error=connection_timeout")
	equal(t, "no error", string(AppendProxyStatus(nil, "edge-1", "")), "edge-1")
	equal(t, "escaping", string(AppendProxyStatus(nil, "a,b", "x\r\ny")), `"a,b"; error="x%0D%0Ay"`)
}

func TestOutcomeAndFwd_Names(t *testing.T) {
	for o := OutcomeNone; o < outcomeCount; o++ {
		if name := o.String(); sfTokenEnd(name) == 0 || sfTokenEnd(name) != len(name) {
			t.Errorf("outcome %d: %q", o, name)
		}
	}
	for f := FwdBypass; f < fwdCount; f++ {
		if name := f.String(); sfTokenEnd(name) == 0 || sfTokenEnd(name) != len(name) {
			t.Errorf("fwd %d: %q", f, name)
		}
	}
	for u := UseRevalidate; u < useCount; u++ {
		if u.String() == "" {
			t.Errorf("use %d has no name", u)
		}
	}
	equal(t, "out of range", outcomeCount.String()+fwdCount.String()+useCount.String(), "invalidinvalidinvalid")
}
