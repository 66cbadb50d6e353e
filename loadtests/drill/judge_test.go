package drill

import (
	"strings"
	"testing"
	"time"
)

// TestJudge_WhatWasRestored is of two objects with a version a second until the disaster, a minute after the start.
func TestJudge_WhatWasRestored(t *testing.T) {
	start := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		at            int // second of the target; 0: the end of the archive
		first, second int64
		want          string // empty: all is well
	}{
		"as of the target":              {30, 30, 30, ""},
		"less than the target":          {30, 30, 28, "before the target"},
		"more than the target":          {30, 32, 30, "after the target"},
		"the end of the archive":        {0, 56, 56, ""},
		"one of them a little behind":   {0, 56, 55, ""},
		"a hole":                        {0, 56, 50, "before something was written that was restored"},
		"the archive is long behind":    {0, 20, 20, "before the disaster"},
		"nothing of the archive at all": {0, 0, 0, "before the disaster"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Report{Disaster: start.Add(time.Minute)}
			if c.at > 0 {
				r.At = start.Add(time.Duration(c.at)*time.Second + 500*time.Millisecond)
			}
			l := &load{}
			for i, restored := range []int64{c.first, c.second} {
				o := &object{path: string(rune('a' + i)), restored: restored}
				for v := int64(1); v < 60; v++ {
					begun := start.Add(time.Duration(v) * time.Second)
					o.writes = append(o.writes, write{version: v, begun: begun, acked: begun.Add(1200 * time.Millisecond * time.Duration(i))})
				}
				l.objects = append(l.objects, o)
			}
			r.judge(l)
			if found := strings.Join(r.Violations, "\n"); (c.want == "") != (found == "") || !strings.Contains(found, c.want) {
				t.Errorf("want %q, found %q", c.want, found)
			}
		})
	}
}
