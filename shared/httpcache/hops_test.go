package httpcache

import "testing"

func TestAppendVia_RFC9110_7_6_3(t *testing.T) {
	equal(t, "first", string(AppendVia(nil, head(), "1.1", "edge-1")), "1.1 edge-1")
	equal(t, "more", string(AppendVia(nil, head("Via: 1.0 fred", "via: 1.1 p.example"), "2", "edge-1")), "1.0 fred, 1.1 p.example, 2 edge-1")
}

func TestCDNLoop_RFC8586(t *testing.T) {
	tests := []struct {
		rule  string
		lines []string
		want  bool
	}{
		{"none", nil, false},
		{"other CDN", []string{"CDN-Loop: foo123.foocdn.example, barcdn.example; trace=\"abcdef\""}, false},
		{"other node", []string{"CDN-Loop: tiercache;node=edge-2"}, false},
		{"no node", []string{"CDN-Loop: tiercache"}, false},
		{"this node", []string{"CDN-Loop: tiercache;node=edge-1"}, true},
		{"with spaces", []string{"CDN-Loop: x , tiercache ; a=b ; node=edge-1 "}, true},
		{"quoted", []string{`CDN-Loop: tiercache; node="edge-1"`}, true},
		{"quoted, escaped", []string{`CDN-Loop: tiercache; node="edge\-1"`}, true},
		{"any case", []string{"cdn-loop: TierCache;NODE=Edge-1"}, true},
		{"a later line", []string{"CDN-Loop: x", "CDN-Loop: y, tiercache;node=edge-1"}, true},
		{"a later parameter", []string{`CDN-Loop: tiercache;a="x;node=no";node=edge-1`}, true},
		{"in a quoted string", []string{`CDN-Loop: x;a="tiercache;node=edge-1"`}, false},
		{"in a quoted parameter", []string{`CDN-Loop: tiercache;a=";node=edge-1"`}, false},
		{"a longer name", []string{"CDN-Loop: tiercache2;node=edge-1, xtiercache;node=edge-1"}, false},
		{"a longer node", []string{"CDN-Loop: tiercache;node=edge-10"}, false},
		{"behind an unbalanced quote", []string{`CDN-Loop: x;a="b, tiercache;node=edge-1`}, true},
		{"behind two of them", []string{`CDN-Loop: x;a=", y;b=", tiercache;node=edge-1`}, true},
	}
	for _, tt := range tests {
		h := head(tt.lines...)
		equal(t, tt.rule, InLoop(h, "tiercache", "edge-1"), tt.want)
		equal(t, tt.rule+", other header type", InLoop(plain{h}, "tiercache", "edge-1"), tt.want)
	}
	equal(t, "any node", InLoop(head("CDN-Loop: tiercache;node=x"), "tiercache", ""), true)
	equal(t, "any node of others", InLoop(head("CDN-Loop: y;node=x"), "tiercache", ""), false)
}

func TestAppendCDNLoop_RFC8586(t *testing.T) {
	equal(t, "first", string(AppendCDNLoop(nil, head(), "tiercache", "edge-1")), "tiercache;node=edge-1")
	equal(t, "no node", string(AppendCDNLoop(nil, head(), "tiercache", "")), "tiercache")
	equal(t, "more", string(AppendCDNLoop(nil, head("CDN-Loop: a;x=\"1\"", "CDN-Loop: b"), "tiercache", "edge 1")), `a;x="1", b, tiercache;node="edge 1"`)
}

// What this node appends it finds again, whatever came before whatever token it is called.
func FuzzCDNLoop(f *testing.F) {
	f.Add("", "edge-1")
	f.Add(`x;a="`, "edge-1")
	f.Add(`x;a="b\`, "e")
	f.Add(`tiercache;node="`, "EDGE")
	f.Add(`,,"",`, "*")
	f.Fuzz(func(t *testing.T, before, node string) {
		if !isToken(node) {
			return
		}
		value := string(AppendCDNLoop(nil, Fields{{"CDN-Loop", before}}, "tiercache", node))
		if !InLoop(Fields{{"CDN-Loop", value}}, "tiercache", node) {
			t.Fatalf("%q: not found", value)
		}
	})
}
