package control

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tiercache/control/client"
	"tiercache/shared/controllog"
	"tiercache/shared/token"
)

func TestTokens_CreateUseRevoke(t *testing.T) {
	n := start(t, nil)
	admin, ctx := n.client(t, n.token), t.Context()
	made, err := admin.CreateToken(ctx, client.NewToken{Name: "ci", Roles: []string{"read", "purge"}})
	if err != nil || !strings.HasPrefix(made.Secret, token.Prefix) || made.Epoch == 0 || made.CreatedBy != "admin" {
		t.Fatalf("%+v, %v", made, err)
	}
	c := n.client(t, made.Secret)
	if _, err := c.Fleet(ctx); err != nil {
		t.Fatalf("at once: %v", err)
	}
	list, err := admin.Tokens(ctx, "", 0)
	if err != nil || len(list.Tokens) != 1 || list.Tokens[0].Name != "ci" || strings.Join(list.Tokens[0].Roles, ",") != "read,purge" || list.Tokens[0].Revoked {
		t.Errorf("%+v, %v", list, err)
	}
	if raw := get(t, n.url+"/v1/tokens", "Bearer "+n.token).text; strings.Contains(raw, made.Secret) || strings.Contains(raw, "sha256") {
		t.Error("the list has the secret or its hash")
	}
	revoked, err := admin.RevokeToken(ctx, made.ID)
	if err != nil || revoked.Epoch <= made.Epoch || !revoked.Changed {
		t.Fatalf("%+v, %v", revoked, err)
	}
	if again, err := admin.RevokeToken(ctx, made.ID); err != nil || again.Epoch != revoked.Epoch || again.Changed {
		t.Errorf("revoked again: %+v, %v", again, err)
	}
	if log, err := admin.Activity(ctx, 0, 10); err != nil || len(log.Activities) != 2 {
		t.Errorf("%+v, %v", log, err)
	}
	if _, err := c.Fleet(ctx); !errors.Is(err, client.ErrUnauthorized) {
		t.Errorf("after it was revoked: %v", err)
	}
	if list, err = admin.Tokens(ctx, "", 0); err != nil || !list.Tokens[0].Revoked || list.Tokens[0].RevokedBy != "admin" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, bad := range []client.NewToken{
		{Name: "", Roles: []string{"read"}}, {Name: "a b", Roles: []string{"read"}}, {Name: "x"}, {Name: "x", Roles: []string{"root"}},
		{Name: strings.Repeat("x", 65), Roles: []string{"read"}}, {Name: "x", Roles: []string{"read"}, Services: []string{"A"}},
		{Name: "x\n", Roles: []string{"read"}}, {Name: "x", Roles: []string{"read,admin"}},
		{Name: "admin", Roles: []string{"read"}}, {Name: "seed", Roles: []string{"read"}},
	} {
		_, err := admin.CreateToken(ctx, bad)
		expectStatus(t, err, http.StatusUnprocessableEntity)
	}
}

func TestTokens_ListedInPages(t *testing.T) {
	n := start(t, nil)
	admin, ctx := n.client(t, n.token), t.Context()
	var ids []string
	for range 5 {
		made, err := admin.CreateToken(ctx, client.NewToken{Name: "ci", Roles: []string{"read"}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, made.ID)
	}
	for _, id := range ids[3:] { // the newest
		if _, err := admin.RevokeToken(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	after := ""
	for pages := 0; pages == 0 || after != ""; pages++ {
		list, err := admin.Tokens(ctx, after, 2)
		if err != nil || pages > 3 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, token := range list.Tokens {
			found = append(found, token.ID)
		}
		after = list.Next
	}
	if want := []string{ids[2], ids[1], ids[0], ids[4], ids[3]}; !slices.Equal(found, want) {
		t.Errorf("got %v, want %v", found, want)
	}
	for _, bad := range []string{"x", "valid.1", "valid.1.", "valid.x.tok_a", "valid.-1.tok_a", "valid.1.tok\x00", "gone.1.tok_a", "valid.9223372036854775807.tok_a"} {
		_, err := admin.Tokens(ctx, bad, 0)
		if p := expectStatus(t, err, http.StatusUnprocessableEntity); !strings.Contains(p.Error(), "give the value of next") {
			t.Errorf("%q: %v", bad, p)
		}
	}
	if _, err := admin.Tokens(ctx, "revoked.253402300800000000.tok_a", 0); err != nil {
		t.Error(err)
	}
}

// A token outlives a restart of control.
func TestTokens_AreInTheLog(t *testing.T) {
	n := start(t, nil)
	made, err := n.client(t, n.token).CreateToken(t.Context(), client.NewToken{Name: "ci", Roles: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, func(c *Config) { c.PostgresURL = n.cfg.PostgresURL })
	c := again.client(t, made.Secret)
	eventually(t, "let in", func() bool { _, err := c.Fleet(t.Context()); return err == nil })
}

func TestTokens_RevokedOnesLetNobodyIn(t *testing.T) {
	secret := token.Generate()
	c := &Control{tokens: new(token.Set)}
	change := controllog.TokenChange{ID: "a", Name: "a", Hash: token.Hash(secret), Roles: "read"}
	c.replaceTokens([]controllog.TokenChange{change})
	if _, err := c.tokens.Identify("Bearer " + secret); err != nil {
		t.Fatal(err)
	}
	change.Revoked = true
	c.replaceTokens([]controllog.TokenChange{change})
	if _, err := c.tokens.Identify("Bearer " + secret); !errors.Is(err, token.ErrUnknown) {
		t.Errorf("%v", err)
	}
}
