package control

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What a client sends that PostgreSQL cannot store, or that nothing can be called, is refused with words of our own.
func TestAPI_NothingOfPostgreSQLIsRepeated(t *testing.T) {
	n := start(t, withTier(t))
	key := func(key string) map[string]string { return map[string]string{"Idempotency-Key": key} }
	yaml := map[string]string{"Content-Type": "application/yaml"}
	for _, c := range []struct {
		method, path, body string
		header             map[string]string
		says               string
	}{
		{http.MethodPost, "/v1/purges", `{"tags":["a"]}`, key("caf\xe9"), "printable characters of ASCII"},
		{http.MethodPost, "/v1/purges", `{"tags":["a"]}`, key(strings.Repeat("k", 256)), "at most 255"},
		{http.MethodGet, "/v1/purges/%00", "", nil, "as GET /v1/purges shows it"},
		{http.MethodGet, "/v1/purges/%ff", "", nil, "as GET /v1/purges shows it"},
		{http.MethodGet, "/v1/purges?before=%00", "", nil, "as this list shows it"},
		{http.MethodGet, "/v1/services/%00", "", nil, "the name of a service"},
		{http.MethodGet, "/v1/services/%ff/versions", "", nil, "the name of a service"},
		{http.MethodGet, "/v1/services/%00/diff", "", nil, "the name of a service"},
		{http.MethodPut, "/v1/services/%00", "upstream: origin", yaml, "the name of a service"},
		{http.MethodPost, "/v1/services/%00/versions/1/activate", "", nil, "the name of a service"},
		{http.MethodDelete, "/v1/tokens/%00", "", nil, "as GET /v1/tokens shows it"},
		{http.MethodPost, "/v1/fleet/%00/drain", "", nil, "as GET /v1/fleet shows it"},
		{http.MethodDelete, "/v1/fleet/%00/drain", "", nil, "as GET /v1/fleet shows it"},
		{http.MethodDelete, "/v1/fleet/%ff", "", nil, "as GET /v1/fleet shows it"},
		{http.MethodPut, "/v1/services/shop", `{"hosts":["shop.example"],"upstream":"origin","rules":[{"match":{"path":"/a\u0000"},"ttl":"1s"}]}`, yaml, ""},
		{http.MethodPut, "/v1/services/shop", `{"hosts":["shop.example"],"upstream":"origin","rules":[{"name":"a\u0000","ttl":"1s"}]}`, yaml, ""},
		{http.MethodPut, "/v1/services/shop", `{"hosts":["shop.example"],"upstream":"origin","rules":[{"tags":["a\u0000"]}]}`, yaml, ""},
		{http.MethodPut, "/v1/services/shop", `{"hosts":["shop.example"],"upstream":"origin","rules":[{"match":{"header":{"x":"\u0000"}},"ttl":"1s"}]}`, yaml, ""},
		{http.MethodPut, "/v1/services/shop", `{"hosts":["shop.example"],"upstream":"http://a.example/\u0000"}`, yaml, ""},
		{http.MethodPost, "/v1/tokens", `{"name":"a\u0000","roles":["read"]}`, nil, "letters, digits"},
		{http.MethodPost, "/v1/tokens", `{"name":"a","roles":["read"],"services":["\u0000"]}`, nil, "not the name of a service"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, n.url+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+n.token)
		req.Header.Set("Content-Type", "application/json")
		for name, value := range c.header {
			req.Header.Set(name, value)
		}
		r := do(t, req)
		what := fmt.Sprintf("%s %s %s %q", c.method, c.path, c.body, c.header)
		if r.StatusCode < 400 || r.StatusCode > 499 || !strings.Contains(r.text, c.says) || strings.Contains(r.text, "SQLSTATE") || strings.Contains(r.text, "ERROR") {
			t.Errorf("%s: %d %s", what, r.StatusCode, r.text)
			continue
		}
		expectProblem(t, r, r.StatusCode)
	}
}

// Every byte of a tag but those that stay is escaped, in a dry run and for real alike.
func TestPurge_TagsOfAnyBytes(t *testing.T) {
	n := start(t, nil)
	for _, tag := range []string{`a\u0000b`, `\u0001`, `Summer Sale`, `caf\u00e9`, `\ud800`} {
		for _, dry := range []bool{true, false} {
			r := n.post(t, "/v1/purges", fmt.Sprintf(`{"tags":["%s"],"dry_run":%t}`, tag, dry), nil)
			if r.StatusCode != 200 && r.StatusCode != 202 {
				t.Errorf("%s, dry run %t: %d %s", tag, dry, r.StatusCode, r.text)
			}
		}
	}
	p := mustPurge(t, n.client(t, n.token), tagged("a\x00b"), "k")
	if p.Request == nil || p.Request.Tags[0] != "a%00b" {
		t.Errorf("%+v", p.Request)
	}
	if again := mustPurge(t, n.client(t, n.token), tagged("a%00b"), "k"); again.ID != p.ID {
		t.Error("the other spelling of the tag is another purge")
	}
}
