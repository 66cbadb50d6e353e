package control

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"tiercache/control/client"
	"tiercache/shared/testkit"
	"tiercache/shared/token"
)

func TestWatches_AddChangeListRemove(t *testing.T) {
	n := start(t, nil)
	admin, ctx := n.client(t, n.token), t.Context()
	testkit.Execute(t, n.cfg.PostgresURL, `CREATE SCHEMA app; CREATE TABLE app."Odd" (id int, name text); CREATE VIEW app.v AS SELECT 1`)
	events := n.listen(t, 0)
	w, err := admin.AddWatch(ctx, client.NewWatch{Table: `app."Odd"`, Templates: []string{"p:{id}", "n:{name}"}, Service: "shop"})
	if err != nil || w.Table != `app."Odd"` || w.CatchAll != "table:app.Odd" || w.Service != "shop" || w.Problem != "" {
		t.Fatalf("%+v, %v", w, err)
	}
	testkit.Execute(t, n.cfg.PostgresURL, `INSERT INTO app."Odd" VALUES (1, 'a b')`)
	purge := next(t, events, client.EventPurge)
	if detail := string(purge.Detail); !strings.Contains(detail, "n:a%20b") || !strings.Contains(detail, "p:1") || !strings.Contains(detail, "shop") {
		t.Errorf("the log has %s", detail)
	}
	testkit.Execute(t, n.cfg.PostgresURL, `ALTER TABLE app."Odd" DROP COLUMN name`)
	list, err := admin.Watches(ctx)
	if err != nil || len(list.Watches) != 1 || !slices.Equal(list.Watches[0].Templates, w.Templates) || list.Watches[0].Problem != "there is no column name" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, bad := range []client.NewWatch{
		{Table: "nobody", Templates: []string{"x"}}, {Table: "no.body", Templates: []string{"x"}}, {Table: "a b", Templates: []string{"x"}},
		{Table: `app."Odd"`, Templates: []string{"{idd}"}}, {Table: `app."Odd"`, Templates: []string{"{"}}, {Table: `app."Odd"`, Templates: []string{"a\x00"}},
		{Table: "app.v", Templates: []string{"x"}}, {Table: `app."Odd"`, Templates: []string{"x"}, Service: "A"}, {Table: `app."Odd"`}, {Templates: []string{"x"}},
		{Table: `app."Odd"; DROP SCHEMA app`, Templates: []string{"x"}},
	} {
		_, err := admin.AddWatch(ctx, bad)
		expectStatus(t, err, http.StatusUnprocessableEntity)
	}
	if _, err := admin.AddWatch(ctx, client.NewWatch{Table: `app."Odd"`, Templates: []string{"{idd}"}}); err == nil || !strings.Contains(err.Error(), `column idd of table app."Odd" does not exist`) {
		t.Errorf("an unknown column: %v", err)
	}
	if err := admin.RemoveWatch(ctx, `app."Odd"`); err != nil {
		t.Error(err)
	}
	expectStatus(t, admin.RemoveWatch(ctx, `app."Odd"`), http.StatusNotFound)
	expectStatus(t, admin.RemoveWatch(ctx, `nobody`), http.StatusNotFound)
	expectStatus(t, admin.RemoveWatch(ctx, `a b`), http.StatusUnprocessableEntity)
	page, err := admin.Activity(ctx, 0, 10)
	if err != nil || len(page.Activities) != 2 || page.Activities[0].Action != "unwatch" || page.Activities[1].Subject != `app."Odd"` || page.Activities[1].Who != "admin" {
		t.Errorf("%+v, %v", page, err)
	}
	made, err := admin.CreateToken(ctx, client.NewToken{Name: "ci", Roles: []string{token.Read.String(), token.Purge.String()}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.client(t, made.Secret).Watches(ctx)
	expectStatus(t, err, http.StatusForbidden)
}
