package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/testkit"
	"tiercache/shared/token"
)

func newToken(id string) controllog.TokenChange {
	return controllog.TokenChange{ID: id, Name: "name of " + id, Hash: token.Hash(id), Roles: "purge", Services: []string{"a"}}
}

func addToken(t testing.TB, s *Store, id string) {
	t.Helper()
	if _, err := s.AddToken(context.Background(), newToken(id), 1000, admin()); err != nil {
		t.Fatal(err)
	}
}

func TestToken_FromCreationToRevocation(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	addToken(t, s, "t1")
	for name, change := range map[string]func(*controllog.TokenChange){
		"the id": func(c *controllog.TokenChange) { c.Hash = token.Hash("x") }, "the hash": func(c *controllog.TokenChange) { c.ID = "t2" },
	} {
		again := newToken("t1")
		change(&again)
		if _, err := s.AddToken(ctx, again, 1000, admin()); !errors.Is(err, ErrConflict) {
			t.Errorf("%s again: %v", name, err)
		}
	}
	if _, err := s.AddToken(ctx, controllog.TokenChange{ID: "t3"}, 1000, admin()); !errors.Is(err, ErrInvalid) {
		t.Errorf("without a hash: %v", err)
	}
	if _, err := s.RevokeToken(ctx, "nobody", admin()); !errors.Is(err, ErrNotFound) {
		t.Errorf("revoke an unknown one: %v", err)
	}
	id, err := s.RevokeToken(ctx, "t1", admin())
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := follow(t, s, head)
	if len(rows) != 2 || rows[1].ID != id {
		t.Fatalf("the log has %v", ids(rows))
	}
	made, err1 := rows[0].Entry()
	ended, err2 := rows[1].Entry()
	if err1 != nil || err2 != nil || made.Token.Revoked || made.Token.Services[0] != "a" || !ended.Token.Revoked || ended.Token.Hash != made.Token.Hash {
		t.Errorf("made %+v, ended %+v", made.Token, ended.Token)
	}
	if again, err := s.RevokeToken(ctx, "t1", Actor{Name: "late"}); err != nil || again != "" {
		t.Errorf("revoke again: %q, %v", again, err)
	}
	if rows, _ := follow(t, s, head); len(rows) != 2 {
		t.Errorf("revoked again: the log has %v", ids(rows))
	}
	if log, err := s.Activities(ctx, 0, 10); err != nil || len(log) != 2 {
		t.Errorf("revoked again: activity %+v, %v", log, err)
	}
	if epoch, err := s.TokenEpoch(ctx, "t1"); err != nil || epoch != rows[1].Epoch {
		t.Errorf("epoch %d, %v; the entry has %d", epoch, err, rows[1].Epoch)
	}
	if _, err := s.TokenEpoch(ctx, "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("epoch of an unknown one: %v", err)
	}
	all, err := s.Tokens(ctx, TokenPlace{}, 10)
	if err != nil || len(all) != 1 || !all[0].Revoked || all[0].RevokedBy != "admin" || all[0].RevokedAt.IsZero() || all[0].CreatedBy != "admin" {
		t.Errorf("tokens: %+v, %v", all, err)
	}
}

// However many were revoked since, the valid ones are counted, by one creator at a time.
func TestToken_TheLimitIsOneOfValidTokens(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	for _, id := range []string{"a", "b", "c"} {
		addToken(t, s, id)
	}
	execute(t, s, `INSERT INTO tiercache.tokens (id, name, hash, roles, services, created_by, revoked_at)
		SELECT 'old-' || n, 'old', 'hash-' || n, 'read', '{}', 'admin', now() FROM generate_series(1, $1) n`, 2*maxList)
	// Somebody else is about to add the fourth: the count waits for it.
	other := connect(t, s)
	exec(t, other, "BEGIN")
	exec(t, other, "SELECT pg_advisory_xact_lock($1)", int64(policyLock))
	exec(t, other, `INSERT INTO tiercache.tokens (id, name, hash, roles, services, created_by) VALUES ('d', 'd', 'hash', 'read', '{}', 'admin')`)
	done := make(chan error, 1)
	go func() { _, err := s.AddToken(ctx, newToken("e"), 4, admin()); done <- err }()
	testkit.Eventually(t, 10*time.Second, func() error {
		if len(done) == 0 && value[int](t, s, "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted") == 0 {
			return errors.New("nobody waits")
		}
		return nil
	})
	exec(t, other, "COMMIT")
	if err := <-done; !errors.Is(err, ErrFull) {
		t.Errorf("beside another: %v", err)
	}
	if _, err := s.RevokeToken(ctx, "a", admin()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddToken(ctx, newToken("e"), 4, admin()); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}

// tokenPages reads the whole list, and calls between after each page.
func tokenPages(t *testing.T, s *Store, limit int, between func(page int)) (found []string) {
	t.Helper()
	var after TokenPlace
	for page := 0; ; page++ {
		records, err := s.Tokens(context.Background(), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			name := r.ID
			if r.Revoked {
				name += "!"
			}
			found = append(found, name)
		}
		if len(records) < limit {
			return found
		}
		after = records[limit-1].Place()
		between(page)
	}
}

func TestTokens_ValidOnesFirstInPages(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	for i := range 6 {
		addToken(t, s, fmt.Sprint("t", i))
	}
	execute(t, s, `UPDATE tiercache.tokens SET created_at = '2026-01-01' WHERE id IN ('t1', 't2', 't3')`) // at one moment
	revoke := func(id string) {
		if _, err := s.RevokeToken(ctx, id, admin()); err != nil {
			t.Error(err)
		}
	}
	revoke("t5")
	revoke("t4")
	for limit := 1; limit <= 7; limit++ {
		if got := fmt.Sprint(tokenPages(t, s, limit, func(int) {})); got != "[t0 t1 t2 t3 t5! t4!]" {
			t.Errorf("%d a page: %v", limit, got)
		}
	}
	// The one that the next page would go on behind is revoked meanwhile.
	got := tokenPages(t, s, 2, func(page int) {
		if page == 0 {
			revoke("t1")
		}
	})
	if fmt.Sprint(got) != "[t0 t1 t2 t3 t5! t4! t1!]" {
		t.Errorf("with one that was revoked meanwhile: %v", got)
	}
}

func TestActivity_NewestFirst(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	for i := range 4 {
		if err := s.AddActivity(ctx, Activity{Who: "w", From: "f", Action: "a", Subject: fmt.Sprint(i), Detail: "d"}); err != nil {
			t.Fatal(err)
		}
	}
	first, err := s.Activities(ctx, 0, 3)
	if err != nil || len(first) != 3 || first[0].Subject != "3" || first[0].At.IsZero() || first[0].Detail != "d" {
		t.Fatalf("%+v, %v", first, err)
	}
	if rest, err := s.Activities(ctx, first[2].ID, 3); err != nil || len(rest) != 1 || rest[0].Subject != "0" {
		t.Errorf("%+v, %v", rest, err)
	}
	for _, before := range []int64{1 << 31, math.MaxInt64} {
		if all, err := s.Activities(ctx, before, 10); err != nil || len(all) != 4 {
			t.Errorf("before %d: %+v, %v", before, all, err)
		}
	}
}
