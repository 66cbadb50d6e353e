package framing

import (
	"strings"
	"testing"
)

// The rules of TestDifferential see what they are there for. The servers that are asked agree about more than
// these do.
func TestRules(t *testing.T) {
	took := func(length int, behind ...item) verdict {
		r := newReading("POST", "/a", "h", []byte(strings.Repeat("x", length)))
		return append(verdict{{reading: &r, status: 200}}, behind...)
	}
	canary := func(target string) item {
		r := newReading("GET", target, "h", nil)
		return item{reading: &r, status: 200}
	}
	short := verdict{{reading: &reading{Short: true}, status: 200}}
	no, open := verdict{{status: 400}}, verdict{{status: 400}, canary("/canary")}
	other := took(5)
	other[0].reading.Target = "/b"
	for name, c := range map[string]struct {
		ours, tiers, one, two verdict
		wrong                 string // "" for none
	}{
		"all take the same":       {took(5, canary("/c")), took(5, canary("/c")), took(5, canary("/c")), took(5, canary("/c")), ""},
		"all refuse":              {no, no, no, no, ""},
		"ours alone refuses":      {no, no, took(5), took(5), ""},
		"refused, framing clear":  {open, open, took(5), took(5), ""},
		"ours alone takes":        {took(5), took(5), no, no, ""},
		"they disagree, refused":  {no, no, took(5), took(3), ""},
		"nobody says a word":      {no, no, nil, nil, ""},
		"tiers differ":            {no, took(5), no, no, "regional"},
		"another length":          {took(5), took(5), took(3), no, "reads another"},
		"another target":          {took(5), took(5), no, other, "reads another"},
		"another one behind":      {took(5, canary("/c")), took(5, canary("/c")), took(5, canary("/d")), no, "next one elsewhere"},
		"somebody waits":          {took(5), took(5), short, no, "waits"},
		"somebody is silent":      {took(5), took(5), no, nil, "waits"},
		"dispute about length":    {open, open, took(5), took(3), "disagree"},
		"dispute about the next":  {open, open, took(5, canary("/c")), took(5, canary("/d")), "disagree"},
		"dispute whether it ends": {open, open, took(5), short, "disagree"},
	} {
		v := verdicts{ours: c.ours, tiers: c.tiers, peers: []verdict{c.one, c.two}}
		wrong := strings.Join(v.rules(), "; ")
		if (wrong == "") != (c.wrong == "") || !strings.Contains(wrong, c.wrong) {
			t.Errorf("%s: %q, want %q", name, wrong, c.wrong)
		}
	}
}
