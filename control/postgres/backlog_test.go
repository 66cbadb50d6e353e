package postgres

import (
	"context"
	"testing"
)

func TestBacklog_CountsWhatHasNoNumber(t *testing.T) {
	s := open(t, Config{})
	want := func(rows int) {
		t.Helper()
		b, err := s.Backlog(context.Background())
		if err != nil || b.Rows != rows || (b.Oldest > 0) != (rows > 0) {
			t.Errorf("%+v, %v, want %d rows", b, err, rows)
		}
	}
	want(0)
	conn := connect(t, s)
	exec(t, conn, "BEGIN")
	exec(t, conn, insert, "late", 2) // in progress when the next sequence() looks
	execute(t, s, insert, "a", 3)
	want(3)
	poll1(t, s, 0)
	want(0)
	exec(t, conn, "COMMIT")
	want(2)
	execute(t, s, insert, "many", MaxBacklog+5)
	want(MaxBacklog)
	for p := (Poll{More: true}); p.More; {
		p = poll1(t, s, 0)
	}
	want(0)
}
