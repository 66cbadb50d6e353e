package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"tiercache/shared/controllog"
	"tiercache/shared/policy"
	"tiercache/shared/testkit"
)

func document(name string, hosts ...string) *policy.Service {
	ttl := 90 * time.Second
	return &policy.Service{Name: name, Hosts: hosts, Upstream: "origin", Rules: []policy.Rule{{TTL: &ttl}}}
}

func put(t testing.TB, s *Store, name string, hosts ...string) int {
	t.Helper()
	version, err := s.PutService(context.Background(), name, []byte("# "+name), document(name, hosts...), admin())
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func activate(t testing.TB, s *Store, name string, version int) {
	t.Helper()
	if _, err := s.ActivateService(context.Background(), name, version, admin()); err != nil {
		t.Fatal(err)
	}
}

func TestService_DraftsVersionsAndActivation(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	for want := 1; want <= 3; want++ {
		if got := put(t, s, "a", "a.example"); got != want {
			t.Fatalf("version %d, want %d", got, want)
		}
	}
	if rows, _ := follow(t, s, head); len(rows) != 0 {
		t.Errorf("drafts are in the log: %v", ids(rows))
	}
	r, err := s.Service(ctx, "a")
	if err != nil || r.Version != 3 || r.Active || r.ActiveVersion != 0 || !r.ActivatedAt.IsZero() || string(r.Source) != "# a" || r.CreatedBy != "admin" {
		t.Errorf("the newest: %+v, %v", r, err)
	}
	if *r.Document.Rules[0].TTL != 90*time.Second {
		t.Errorf("the document: %+v", r.Document)
	}
	activate(t, s, "a", 3)
	id, err := s.ActivateService(ctx, "a", 2, admin())
	if err != nil {
		t.Fatal(err)
	}
	rows, head := follow(t, s, head)
	if epoch, err := s.EpochOf(ctx, id); err != nil || epoch != head || len(rows) != 2 {
		t.Errorf("%v; the last has epoch %d (%v), the head is %d", ids(rows), epoch, err, head)
	}
	e, err := rows[1].Entry()
	if err != nil || e.Kind != controllog.KindService || e.Service.Version != 2 || *e.Service.Document.Rules[0].TTL != 90*time.Second {
		t.Errorf("the entry: %+v, %v", e, err)
	}
	all, err := s.ServiceVersions(ctx, "a")
	if err != nil || len(all) != 3 || all[0].Version != 3 || all[0].Active || !all[1].Active || all[1].ActiveVersion != 2 || all[0].ActivatedAt.IsZero() || !all[2].ActivatedAt.IsZero() {
		t.Errorf("versions: %+v, %v", all, err)
	}
	put(t, s, "b", "b.example")
	if list, err := s.Services(ctx); err != nil || len(list) != 2 || list[0].Version != 3 || list[0].ActiveVersion != 2 || list[1].Name != "b" {
		t.Errorf("services: %+v, %v", list, err)
	}
	if one, err := s.ServiceVersion(ctx, "a", 2); err != nil || !one.Active {
		t.Errorf("version 2: %+v, %v", one, err)
	}
}

func TestService_Refused(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	var field *policy.FieldError
	if _, err := s.PutService(ctx, "a", nil, document("a"), admin()); !errors.Is(err, ErrInvalid) || !errors.As(err, &field) || field.Path != "hosts" {
		t.Errorf("without hosts: %v", err)
	}
	if _, err := s.PutService(ctx, "a", nil, document("b", "*"), admin()); !errors.Is(err, ErrInvalid) {
		t.Errorf("another name: %v", err)
	}
	if _, err := s.PutServiceAfter(ctx, 1, "a", nil, document("a", "a.example"), admin()); !errors.Is(err, ErrConflict) {
		t.Errorf("behind a version that there is not: %v", err)
	}
	if v, err := s.PutServiceAfter(ctx, 0, "a", nil, document("a", "a.example"), admin()); err != nil || v != 1 {
		t.Errorf("the first: %d, %v", v, err)
	}
	if _, err := s.PutServiceAfter(ctx, 0, "a", nil, document("a", "a.example"), admin()); !errors.Is(err, ErrConflict) {
		t.Errorf("somebody was first: %v", err)
	}
	activate(t, s, "a", 1)
	put(t, s, "thief", "a.example")
	if _, err := s.ActivateService(ctx, "thief", 1, admin()); !errors.Is(err, ErrInvalid) || !errors.As(err, &field) {
		t.Errorf("a host that is taken: %v", err)
	}
	for _, c := range []struct {
		name    string
		version int
	}{{"a", 2}, {"nobody", 1}} {
		if _, err := s.ActivateService(ctx, c.name, c.version, admin()); !errors.Is(err, ErrNotFound) {
			t.Errorf("activate %s %d: %v", c.name, c.version, err)
		}
	}
	if _, err := s.RemoveService(ctx, "thief", admin()); !errors.Is(err, ErrNotFound) {
		t.Errorf("remove what is not active: %v", err)
	}
	if _, err := s.ServiceVersions(ctx, "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("versions of nobody: %v", err)
	}
	if rows, _ := follow(t, s, head); len(rows) != 1 {
		t.Errorf("the log has %v", ids(rows))
	}
}

// The first activation is held up in its transaction while a second one comes. Without a lock around them the
// second would commit first and yet get the higher epoch: nodes would end with another version than the table.
func TestService_TheLogHasActivationsInTheOrderOfTheirCommits(t *testing.T) {
	s := open(t, Config{})
	_, head := follow(t, s, 0)
	put(t, s, "a", "a.example")
	put(t, s, "a", "a.example")
	conn := connect(t, s)
	exec(t, conn, "BEGIN")
	exec(t, conn, "SELECT FROM tiercache.services WHERE version = 1 FOR UPDATE")
	done := make(chan error, 2)
	start := func(version int) {
		go func() {
			_, err := s.ActivateService(context.Background(), "a", version, admin())
			done <- err
		}()
	}
	waiting := func(n int) error {
		if got := value[int](t, s, "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"); got != n {
			return fmt.Errorf("%d wait, not %d", got, n)
		}
		return nil
	}
	start(1)
	testkit.Eventually(t, 20*time.Second, func() error { return waiting(1) })
	start(2)
	testkit.Eventually(t, 20*time.Second, func() error {
		if len(done) == 1 {
			return nil
		}
		return waiting(2)
	})
	exec(t, conn, "COMMIT")
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	rows, _ := follow(t, s, head)
	var last controllog.ServiceChange
	if err := json.Unmarshal(rows[len(rows)-1].Body, &last); err != nil {
		t.Fatal(err)
	}
	if active := value[int](t, s, "SELECT version FROM tiercache.active"); active != last.Version {
		t.Errorf("the table has version %d, the log ends with %d", active, last.Version)
	}
}
