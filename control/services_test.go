package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tiercache/control/client"
	"tiercache/shared/testkit"
)

const shopDocument = `# the shop
name: shop
hosts: [shop.example]
upstream: origin
rules:
- match: {path: /img/*}
  ttl: %s
`

func shop(ttl string) []byte { return fmt.Appendf(nil, shopDocument, ttl) }

// expectStatus fails unless err is a problem with that status, which it returns.
func expectStatus(t *testing.T, err error, status int) *client.Problem {
	t.Helper()
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != status {
		t.Fatalf("got %v, want %d", err, status)
	}
	return p
}

// put is a PUT with raw headers.
func (n *controlNode) put(t *testing.T, path, body string, header map[string]string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, n.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+n.token)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return reply{resp, string(text)}
}

func TestServices_DraftActivateRollBack(t *testing.T) {
	n := start(t, nil)
	c, ctx := n.client(t, n.token), t.Context()
	first, err := c.PutService(ctx, "shop", shop("1m"), 0)
	if err != nil || first.Version != 1 || first.Active || first.Source != string(shop("1m")) || first.CreatedBy != "admin" {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := c.PutService(ctx, "shop", shop("1m"), -1); err != nil || again.Version != 1 {
		t.Errorf("the same document again: %+v, %v", again, err)
	}
	if second, err := c.PutService(ctx, "shop", shop("2m"), 1); err != nil || second.Version != 2 {
		t.Fatalf("%+v, %v", second, err)
	}
	done, err := c.ActivateService(ctx, "shop", 2, 2*time.Second)
	if err != nil || !done.Changed || done.Epoch == 0 || done.State != client.StateComplete {
		t.Fatalf("%+v, %v", done, err)
	}
	back, err := c.ActivateService(ctx, "shop", 1, 0)
	if err != nil || back.Epoch <= done.Epoch {
		t.Fatalf("%+v, %v", back, err)
	}
	if again, err := c.ActivateService(ctx, "shop", 1, 0); err != nil || again.Changed || again.Epoch != 0 {
		t.Errorf("activated again: %+v, %v", again, err)
	}
	active, err := c.Service(ctx, "shop", "active")
	if err != nil || active.Version != 1 || !active.Active {
		t.Errorf("%+v, %v", active, err)
	}
	newest, err := c.Service(ctx, "shop", "")
	if err != nil || newest.Version != 2 || newest.Active || newest.ActiveVersion != 1 || newest.ActivatedAt.IsZero() {
		t.Errorf("%+v, %v", newest, err)
	}
	history, err := c.ServiceVersions(ctx, "shop")
	if err != nil || len(history.Services) != 2 || history.Services[0].Version != 2 || history.Services[0].Source != "" {
		t.Errorf("%+v, %v", history, err)
	}
	list, err := c.Services(ctx)
	if err != nil || len(list.Services) != 1 || list.Services[0].ActiveVersion != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	diff, err := c.DiffService(ctx, "shop", "", "")
	if err != nil || diff.From != 1 || diff.To != 2 || !strings.Contains(diff.Diff, "-  ttl: 1m0s\n+  ttl: 2m0s\n") || strings.Contains(diff.Diff, "the shop") {
		t.Errorf("%+v, %v", diff, err)
	}
	log, err := c.Activity(ctx, 0, 2)
	if err != nil || len(log.Activities) != 2 || log.Activities[0].Action != "service.activate" || log.Activities[0].Who != "admin" || log.Activities[0].From != "127.0.0.1" || log.Next == 0 {
		t.Errorf("%+v, %v", log, err)
	}
}

func TestServices_BadDocumentsAreNamedByFieldLineAndColumn(t *testing.T) {
	n := start(t, nil)
	c := n.client(t, n.token)
	for text, want := range map[string]client.Mistake{
		"hosts: [a]\nupstream: origin\nrules:\n- ttl: -1s\n":       {Location: "rules[0].ttl", Line: 4, Column: 8},
		"hosts: [a,\n  B]\nupstream: origin":                       {Location: "hosts[1]", Line: 2, Column: 3},
		"hosts: [a]\nupstream: ftp://x":                            {Location: "upstream", Line: 2, Column: 11},
		"hosts: [a]\nupstream: origin\nname: other":                {Location: "name", Line: 3, Column: 7},
		"hosts: [a]\nupstream: origin\nrules:\n- tll: 1s":          {Line: 4, Column: 3},
		"hosts: [a]\nupstream: origin\ntimeout: soon":              {Line: 3, Column: 10},
		`{"hosts": ["a"], "upstream": "origin", "timeout": "99h"}`: {Location: "timeout", Line: 1, Column: 51},
		"upstream: origin":                                         {Location: "hosts"},
		"hosts: [\n":                                               {Line: 1, Column: 8},
		"\xff":                                                     {},
		"hosts: [a]\x00\n ":                                        {},
	} {
		for name, call := range map[string]func() error{
			"put":      func() error { _, err := c.PutService(t.Context(), "shop", []byte(text), -1); return err },
			"validate": func() error { _, err := c.ValidateService(t.Context(), "shop", []byte(text)); return err },
		} {
			p := expectStatus(t, call(), http.StatusUnprocessableEntity)
			if len(p.Errors) != 1 || p.Errors[0].Message == "" || want.Location != "" && p.Errors[0].Location != want.Location ||
				want.Line != 0 && p.Errors[0].Line != want.Line || want.Column != 0 && p.Errors[0].Column != want.Column {
				t.Errorf("%s %q: %+v", name, text, p)
			}
		}
	}
	if list, err := c.Services(t.Context()); err != nil || len(list.Services) != 0 {
		t.Errorf("something was stored: %+v, %v", list, err)
	}
	r := n.put(t, "/v1/services/shop", "x: y", nil)
	expectProblem(t, r, http.StatusUnprocessableEntity)
	if big := n.put(t, "/v1/services/shop", strings.Repeat("#", maxBody+1), nil); big.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a large one: %d %s", big.StatusCode, big.text)
	}
}

func TestServices_Preconditions(t *testing.T) {
	n := start(t, nil)
	c := n.client(t, n.token)
	if _, err := c.PutService(t.Context(), "shop", shop("1m"), 0); err != nil {
		t.Fatal(err)
	}
	if get := get(t, n.url+"/v1/services/shop", "Bearer "+n.token); get.Header.Get("ETag") != `"1"` {
		t.Errorf("ETag %s", get.Header.Get("ETag"))
	}
	for name, c := range map[string]struct {
		header, value string
		status        int
	}{
		"create again": {"If-None-Match", "*", 412},
		"strange":      {"If-None-Match", `"1"`, 400},
		"older":        {"If-Match", `"0"`, 412},
		"newer":        {"If-Match", `"2"`, 412},
		"nonsense":     {"If-Match", `"x`, 412},
		"right":        {"If-Match", `"1"`, 200},
		"any":          {"If-Match", "*", 200},
	} {
		if r := n.put(t, "/v1/services/shop", string(shop("1m")), map[string]string{c.header: c.value}); r.StatusCode != c.status {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.text)
		}
	}
	if r := n.put(t, "/v1/services/other", "x", map[string]string{"If-Match": "*"}); r.StatusCode != 422 {
		t.Errorf("a bad document comes first: %d", r.StatusCode)
	}
	if r := n.put(t, "/v1/services/none", "hosts: [x]\nupstream: origin", map[string]string{"If-Match": "*"}); r.StatusCode != 412 {
		t.Errorf("If-Match: * without a version: %d", r.StatusCode)
	}
}

// Of several who saw version 1, one stores version 2.
func TestServices_WhoComesSecondIsTold(t *testing.T) {
	n := start(t, nil)
	c := n.client(t, n.token)
	if _, err := c.PutService(t.Context(), "shop", shop("1m"), 0); err != nil {
		t.Fatal(err)
	}
	for latest := 1; latest <= 10; latest++ {
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = c.PutService(t.Context(), "shop", shop(fmt.Sprintf("%dm%ds", latest, i+1)), latest)
			})
		}
		wg.Wait()
		stored := 0
		for _, err := range errs {
			if err == nil {
				stored++
				continue
			}
			expectStatus(t, err, http.StatusPreconditionFailed)
		}
		if newest, err := c.Service(t.Context(), "shop", ""); stored != 1 || err != nil || newest.Version != latest+1 {
			t.Fatalf("%d stored, version %d, %v", stored, newest.Version, err)
		}
	}
}

func TestServices_HostsOfAnotherService(t *testing.T) {
	n := start(t, nil)
	c, ctx := n.client(t, n.token), t.Context()
	if _, err := c.PutService(ctx, "shop", shop("1m"), -1); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ActivateService(ctx, "shop", 1, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutService(ctx, "shop", []byte("hosts: [elsewhere]\nupstream: origin"), -1); err != nil {
		t.Fatal(err) // a draft does not free the host
	}
	rival := []byte("name: rival\nhosts: [shop.example]\nupstream: origin\n")
	v, err := c.ValidateService(ctx, "", rival)
	if err != nil || v.Name != "rival" || len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "claimed") {
		t.Errorf("%+v, %v", v, err)
	}
	if s, err := c.PutService(ctx, "rival", rival, -1); err != nil || len(s.Warnings) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	_, err = c.ActivateService(ctx, "rival", 1, 0)
	if p := expectStatus(t, err, http.StatusConflict); !strings.Contains(p.Detail, "shop.example") {
		t.Errorf("%v", p)
	}
	if _, err := c.ActivateService(ctx, "shop", 2, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ActivateService(ctx, "rival", 1, 0); err != nil {
		t.Error(err)
	}
}

func TestServices_WhatIsNotThere(t *testing.T) {
	n := start(t, nil)
	c, ctx := n.client(t, n.token), t.Context()
	if _, err := c.PutService(ctx, "shop", shop("1m"), -1); err != nil {
		t.Fatal(err)
	}
	for _, call := range []func() error{
		func() error { _, err := c.Service(ctx, "none", ""); return err },
		func() error { _, err := c.Service(ctx, "shop", "2"); return err },
		func() error { _, err := c.Service(ctx, "shop", "active"); return err },
		func() error { _, err := c.ServiceVersions(ctx, "none"); return err },
		func() error { _, err := c.ActivateService(ctx, "shop", 2, 0); return err },
		func() error { _, err := c.ActivateService(ctx, "none", 1, 0); return err },
		func() error { _, err := c.RevokeToken(ctx, "tok_none"); return err },
	} {
		expectStatus(t, call(), http.StatusNotFound)
	}
	_, err := c.Service(ctx, "../tokens", "")
	expectStatus(t, err, http.StatusUnprocessableEntity)
	for _, version := range []string{"x", "-1", "0", "99999999999", "1 OR 1=1"} {
		_, err := c.Service(ctx, "shop", version)
		expectStatus(t, err, http.StatusUnprocessableEntity)
	}
}

func TestServices_TokensReachTheirServicesAlone(t *testing.T) {
	n := start(t, nil)
	admin, ctx := n.client(t, n.token), t.Context()
	for _, name := range []string{"shop", "blog"} {
		if _, err := admin.PutService(ctx, name, []byte("hosts: ["+name+"]\nupstream: origin"), -1); err != nil {
			t.Fatal(err)
		}
	}
	limited, err := admin.CreateToken(ctx, client.NewToken{Name: "shop-admin", Roles: []string{"admin"}, Services: []string{"shop"}})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := admin.CreateToken(ctx, client.NewToken{Name: "reader", Roles: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	c := n.client(t, limited.Secret)
	if _, err := c.PutService(ctx, "shop", shop("1m"), -1); err != nil {
		t.Error(err)
	}
	if _, err := c.ActivateService(ctx, "shop", 1, 0); err != nil {
		t.Error(err)
	}
	if list, err := c.Services(ctx); err != nil || len(list.Services) != 1 || list.Services[0].Name != "shop" {
		t.Errorf("%+v, %v", list, err)
	}
	r := n.client(t, reader.Secret)
	if _, err := r.Service(ctx, "blog", ""); err != nil {
		t.Error(err)
	}
	for name, call := range map[string]func() error{
		"get":      func() error { _, err := c.Service(ctx, "blog", ""); return err },
		"put":      func() error { _, err := c.PutService(ctx, "blog", shop("1m"), -1); return err },
		"activate": func() error { _, err := c.ActivateService(ctx, "blog", 1, 0); return err },
		"history":  func() error { _, err := c.ServiceVersions(ctx, "blog"); return err },
		"diff":     func() error { _, err := c.DiffService(ctx, "blog", "", ""); return err },
		"validate": func() error {
			_, err := c.ValidateService(ctx, "", bytes.ReplaceAll(shop("1m"), []byte("name: shop"), []byte("name: blog")))
			return err
		},
		"tokens": func() error {
			_, err := c.CreateToken(ctx, client.NewToken{Name: "x", Roles: []string{"admin"}})
			return err
		},
		"activity":       func() error { _, err := c.Activity(ctx, 0, 1); return err },
		"reader puts":    func() error { _, err := r.PutService(ctx, "shop", shop("2m"), -1); return err },
		"reader lists":   func() error { _, err := r.Tokens(ctx, "", 0); return err },
		"reader's audit": func() error { _, err := r.Activity(ctx, 0, 1); return err },
	} {
		if err := call(); !errors.Is(err, client.ErrUnauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// While the database is away everything that needs it says so, soon, and works again when it is back.
func TestServices_DatabaseAway(t *testing.T) {
	database := testkit.PostgresProc(t)
	n := start(t, func(c *Config) { c.PostgresURL = database.URL })
	c, ctx := n.client(t, n.token), t.Context()
	if _, err := c.PutService(ctx, "shop", shop("1m"), 0); err != nil {
		t.Fatal(err)
	}
	live := n.listen(t, client.FromNow)
	next(t, live, client.EventHead)
	database.Kill9()
	for name, call := range map[string]func() error{
		"get":      func() error { _, err := c.Service(ctx, "shop", ""); return err },
		"list":     func() error { _, err := c.Services(ctx); return err },
		"put":      func() error { _, err := c.PutService(ctx, "shop", shop("2m"), -1); return err },
		"activate": func() error { _, err := c.ActivateService(ctx, "shop", 1, 0); return err },
		"token": func() error {
			_, err := c.CreateToken(ctx, client.NewToken{Name: "x", Roles: []string{"read"}})
			return err
		},
		"revoke":   func() error { _, err := c.RevokeToken(ctx, "x"); return err },
		"activity": func() error { _, err := c.Activity(ctx, 0, 1); return err },
	} {
		began := time.Now()
		expectStatus(t, call(), http.StatusServiceUnavailable)
		if took := time.Since(began); took > deadline {
			t.Errorf("%s: after %v", name, took)
		}
	}
	if r := get(t, n.url+"/v1/services", "Bearer "+n.token); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
	}
	database.Restart()
	eventually(t, "back", func() bool { _, err := c.ActivateService(ctx, "shop", 1, 0); return err == nil })
	next(t, live, client.EventService)
}
