package simulation

import (
	"errors"
	"testing"
	"time"

	"tiercache/control/postgres"
)

func heard(t *testing.T, with databases, epoch uint64) {
	t.Helper()
	if err := with.store().Heard(t.Context(), epoch); err != nil {
		t.Fatal(err)
	}
}

func heardBeginsTerm(t *testing.T, with databases) {
	purged(t, with, "a", "b")
	_, head := polled(t, with, 0)
	for _, known := range []uint64{0, head - 1, head} {
		heard(t, with, known)
	}
	if rows, _ := polled(t, with, head); len(rows) != 0 {
		t.Fatalf("nobody was ahead: %+v", rows)
	}
	ahead := uint64(time.Now().Add(time.Hour).UnixMicro())
	heard(t, with, ahead)
	term := wantTerm(t, with, head, "soft")
	if term <= ahead {
		t.Errorf("the term begins at %d, and a node has %d", term, ahead)
	}
	heard(t, with, ahead)
	if rows, _ := polled(t, with, term); len(rows) != 0 {
		t.Errorf("heard again: %+v", rows)
	}
	for _, absurd := range []uint64{uint64(time.Now().Add(48 * time.Hour).UnixMicro()), 1 << 63, 1<<64 - 1} {
		if err := with.store().Heard(t.Context(), absurd); !errors.Is(err, postgres.ErrInvalid) {
			t.Errorf("epoch %d: %v", absurd, err)
		}
	}
	// What waited in the outbox comes behind the term.
	purged(t, with, "c")
	heard(t, with, term+10)
	rows, last := polled(t, with, term)
	if len(rows) != 2 || rows[0].Kind != "term" || rows[1].ID != "c" || last <= term+10 {
		t.Errorf("behind %d: %+v", term, rows)
	}
}

func heardLately(t *testing.T, with databases) {
	wantLately := func(within time.Duration, want int) {
		t.Helper()
		if n, err := with.store().HeardLately(t.Context(), within); err != nil || n != want {
			t.Errorf("within %v: %d, %v, want %d", within, n, err, want)
		}
	}
	_, head := polled(t, with, 0)
	wantLately(time.Hour, 0) // the first term is no such
	heard(t, with, head+1)
	head = wantTerm(t, with, head, "soft")
	wantLately(time.Hour, 1)
	wantLately(0, 0)
	heard(t, with, head+1)
	wantTerm(t, with, head, "soft")
	wantLately(time.Hour, 2)
}

func TestContract_ServerDouble(t *testing.T) { onDouble(t, serverContract(), newDoubleServers) }
func TestContract_Server(t *testing.T)       { onReal(t, serverContract(), newRealServers) }

// serverContract is what control relies on when the server ends, or is set back.
func serverContract() []demand[servers] {
	return []demand[servers]{
		{"Crash", serverCrash},
		{"Lost", serverLost},
		{"Restore", serverRestore},
	}
}

func serverCrash(t *testing.T, with servers) {
	ctx, s := t.Context(), with.store()
	purged(t, with, "a", "b")
	_, head := polled(t, with, 0)
	m := must[postgres.Member](t)(s.Join(ctx, postgres.Member{Node: "edge-1", Tier: "edge", Instance: "i"}, nil))
	purged(t, with, "waits")
	lost := with.begin(t)
	lost.invalidate("lost", purgeOf(resources()[0]))
	with.crash(t)
	_, polls := s.Poll(ctx, head)
	_, lists := s.Members(ctx)
	_, joins := s.Join(ctx, m, nil)
	_, saves := s.SaveRenewals(ctx, []postgres.Renewal{{Node: m.Node, Registered: m.Registered, Applied: 1}})
	_, counts := s.HeardLately(ctx, time.Hour)
	for what, err := range map[string]error{
		"poll": polls, "members": lists, "join": joins, "save": saves, "heard lately": counts, "heard": s.Heard(ctx, head),
		"load": s.Load(ctx, nil, nil), "leave": s.Leave(ctx, m.Node, m.Instance, m.Registered), "remove": s.Remove(ctx, m),
	} {
		if !errors.Is(err, postgres.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	with.start(t)
	if err := lost.commit(); err == nil {
		t.Error("a transaction outlives its server")
	}
	// What was told cannot be lost: the jump alone is enough. What had no number yet comes behind it.
	rows, last := polled(t, with, head)
	if len(rows) != 2 || rows[0].Kind != "term" || rows[1].ID != "waits" {
		t.Fatalf("behind %d: %+v", head, rows)
	}
	if e, err := rows[0].Entry(); err != nil || e.Term.Purge != "" || e.Epoch <= head+1 {
		t.Errorf("the term is %+v (%v)", e, err)
	}
	if again, _ := polled(t, with, last); len(again) != 0 {
		t.Errorf("and once more: %+v", again)
	}
	if list := must[[]postgres.Member](t)(s.Members(ctx)); len(list) != 1 || list[0] != m {
		t.Errorf("members %+v, want %+v", list, m)
	}
}

// serverLost starts the server twice: each term jumps over numbers that somebody may have had. The first jump is from the
// beginning: there was no log before.
func serverLost(t *testing.T, with servers) {
	ctx, s := t.Context(), with.store()
	purged(t, with, "a")
	rows, head := polled(t, with, 0)
	with.crash(t)
	with.start(t)
	jumped, term := polled(t, with, head)
	if len(jumped) != 1 || jumped[0].Kind != "term" || term <= head+2 {
		t.Fatalf("behind %d: %+v", head, jumped)
	}
	wantLost := func(epoch uint64, want bool) {
		t.Helper()
		if found, err := s.Find(ctx, epoch); err != nil || found.Lost != want {
			t.Errorf("epoch %d, of a log with %d, %d, %d: %+v, %v, want lost: %v", epoch, rows[0].Epoch, head, term, found, err, want)
		}
	}
	lose := func(epoch uint64) {
		t.Helper()
		if err := s.Lost(ctx, epoch); err != nil {
			t.Error(err)
		}
	}
	for _, epoch := range []uint64{0, 1, rows[0].Epoch - 1, rows[0].Epoch, head, term, term + 1, 1 << 62} {
		wantLost(epoch, false)
		lose(epoch)
	}
	if more, _ := polled(t, with, term); len(more) != 0 {
		t.Fatalf("nothing was lost: %+v", more)
	}
	for _, epoch := range []uint64{head + 1, term - 1} {
		wantLost(epoch, true)
	}
	purged(t, with, "b")
	lose(term - 1)
	more, last := polled(t, with, term)
	e, err := more[0].Entry()
	if len(more) != 2 || err != nil || e.Term == nil || e.Term.Purge != "soft" || more[1].ID != "b" {
		t.Fatalf("behind %d: %+v, %v", term, more, err)
	}
	wantLost(head+1, false) // everything was purged
	lose(head + 1)
	if more, _ := polled(t, with, last); len(more) != 0 {
		t.Errorf("once more: %+v", more)
	}
	if n, err := s.HeardLately(ctx, time.Hour); err != nil || n != 1 {
		t.Errorf("%d claims, %v", n, err)
	}
}

func serverRestore(t *testing.T, with servers) {
	ctx, s := t.Context(), with.store()
	purged(t, with, "a")
	polled(t, with, 0)
	m := must[postgres.Member](t)(s.Join(ctx, postgres.Member{Node: "edge-1", Tier: "edge", Instance: "i"}, nil))
	purged(t, with, "waits")
	with.backup(t)
	all, _ := polled(t, with, 0) // numbers that are lost
	purged(t, with, "lost-1", "lost-2")
	_, highest := polled(t, with, all[len(all)-1].Epoch)
	if err := s.Remove(ctx, m); err != nil {
		t.Fatal(err)
	}
	with.restore(t)
	rows, _ := polled(t, with, 0)
	if len(rows) != 4 || rows[1].ID != "a" || rows[2].Kind != "term" || rows[3].ID != "waits" {
		t.Fatalf("the log has %+v", rows)
	}
	if e, err := rows[2].Entry(); err != nil || e.Term.Purge != "soft" || e.Epoch <= highest {
		t.Errorf("the term is %+v (%v), and %d was given", e, err, highest)
	}
	if list := must[[]postgres.Member](t)(s.Members(ctx)); len(list) != 1 || list[0] != m {
		t.Errorf("members %+v, want %+v", list, m)
	}
	purged(t, with, "b")
	more, _ := polled(t, with, rows[3].Epoch)
	wantIDs(t, more, "b")
}
