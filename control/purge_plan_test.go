package control

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/shared/controllog"
	"tiercache/shared/token"
)

func TestPurgeURL(t *testing.T) {
	for in, want := range map[string]controllog.URL{
		"http://Example.ORG/A%2fb":                      {Host: "example.org", Path: "/A%2fb"},
		"HTTPS://example.org:8443/a?b=1&c":              {Host: "example.org", Path: "/a", Query: "?b=1&c"},
		"http://example.org":                            {Host: "example.org", Path: "/"},
		"http://example.org?x":                          {Host: "example.org", Path: "/", Query: "?x"},
		"http://example.org/a?":                         {Host: "example.org", Path: "/a", Query: "?"},
		"http://example.org//a/../b":                    {Host: "example.org", Path: "//a/../b"},
		"http://Example.ORG.:8443/a":                    {Host: "example.org", Path: "/a"},
		"http://example.org:/a":                         {Host: "example.org", Path: "/a"},
		"http://[::1]:80/a?http://x.org/?y":             {Host: "[::1]", Path: "/a", Query: "?http://x.org/?y"},
		"http://*/a":                                    {Host: "*", Path: "/a"},
		"http://127.0.0.1/" + strings.Repeat("a", 8000): {Host: "127.0.0.1", Path: "/" + strings.Repeat("a", 8000)},
	} {
		if got, err := purgeURL(in); err != nil || got != want {
			t.Errorf("%.80s: got %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "/a", "a", "example.org/a", "//example.org/a", "ftp://example.org/a", "http:/example.org", "http://", "http:///a",
		"http://example.org/a#b", "http://example.org#b", "http://u@example.org/", "http://u:p@example.org/", "http://example.org:x/",
		"http://exa mple.org/", "http://example.org/a b", "http://example.org/\n", "http://example.org/ä", "http://example..org/", "http://example.org../", "http://./", "http://[::1]./",
		"http://*/a?b", "http://*.example.org/a", "http://[::1/a", "http://" + strings.Repeat("a", 300) + "/", "http://a/" + strings.Repeat("a", maxURL),
	} {
		if got, err := purgeURL(in); err == nil {
			t.Errorf("%.80q: taken for %+v", in, got)
		}
	}
}

func TestPurgePrefix(t *testing.T) {
	if got, err := purgePrefix("http://a.org:80/x/"); err != nil || got != (controllog.URL{Host: "a.org", Path: "/x/"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, in := range []string{"http://a.org/x", "http://a.org/x/?y", "http://*/x/", "/x/"} {
		if _, err := purgePrefix(in); err == nil {
			t.Errorf("%q is taken", in)
		}
	}
}

func TestPlanPurge_SaysWhatIsWrongAndWhere(t *testing.T) {
	for where, r := range map[string]client.PurgeRequest{
		"body":             {},
		"body.mode":        {All: true, Mode: "firm"},
		"body.urls[1]":     {URLs: []string{"http://a/", "b"}},
		"body.prefixes[0]": {Prefixes: []string{"http://a/b"}},
		"body.hosts[0]":    {Hosts: []string{"a/b"}},
		"body.hosts[2]":    {Hosts: []string{"a", "b", "*"}},
		"body.services[0]": {Services: []string{"a b"}},
		"body.tags[0]":     {Tags: []string{""}},
		"body.tags[1]":     {Tags: []string{"a", strings.Repeat("b", 1025)}},
		"body.service":     {Service: "s", URLs: []string{"http://a/"}},
	} {
		_, err := planPurge(&r)
		var m *mistakes
		if !errors.As(err, &m) || m.Status != 422 || len(m.Errors) != 1 || m.Errors[0].Location != where || m.Errors[0].Message == "" {
			t.Errorf("%s: got %v", where, err)
		}
	}
	var status huma.StatusError
	if _, err := planPurge(&client.PurgeRequest{Tags: make([]string, maxPurgeItems+1)}); !errors.As(err, &status) || status.GetStatus() != 413 || !strings.Contains(err.Error(), "service") {
		t.Errorf("too large: got %v", err)
	}
}

func TestPlanPurge_SplitsWhatIsTooLargeForOneEntry(t *testing.T) {
	r := client.PurgeRequest{All: true, Service: "shop", Mode: "soft", Hosts: []string{"a", "A:80"}, Services: []string{"x"}, Prefixes: []string{"http://a/b/"}}
	for i := range 2*controllog.MaxScopes + 1 {
		r.Tags = append(r.Tags, fmt.Sprint(i))
		r.URLs = append(r.URLs, fmt.Sprintf("http://h/%d", i))
	}
	p, err := planPurge(&r)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2*len(r.Tags) + 4; p.scopes() != want {
		t.Errorf("%d scopes, not %d: the host is named twice", p.scopes(), want)
	}
	names := make(map[string]int)
	for _, e := range p.entries() {
		mode, scopes, err := e.Scopes()
		if err != nil || mode != p.mode {
			t.Fatalf("%v, %v", mode, err)
		}
		for _, s := range scopes {
			names[fmt.Sprint(s)]++
		}
	}
	whole := p.purge
	missing := 0
	for _, part := range []controllog.Purge{{All: true}, {Hosts: whole.Hosts}, {Services: whole.Services}, {Prefixes: whole.Prefixes}, {Service: "shop", Tags: whole.Tags[8000:8001]}, {URLs: whole.URLs[8192:]}} {
		_, scopes, err := part.Scopes()
		if err != nil || names[fmt.Sprint(scopes[0])] != 1 {
			missing++
		}
	}
	if len(names) != p.scopes() || missing > 0 {
		t.Errorf("%d scopes of %d, %d are missing", len(names), p.scopes(), missing)
	}
	if one, err := planPurge(&client.PurgeRequest{Tags: r.Tags[:controllog.MaxScopes]}); err != nil || len(one.entries()) != 1 {
		t.Errorf("%d entries, %v", len(one.entries()), err)
	}
}

func TestPlan_AllowedIsWhatBelongsToTheTokensServices(t *testing.T) {
	shop := caller{Holder: token.Holder{Name: "s", Roles: token.Purge, Services: []string{"shop", "till"}}}
	owner := func(host string) string {
		return map[string]string{"shop.example": "shop", "till.example": "till", "blog.example": "blog"}[host]
	}
	in := func(more client.PurgeRequest) client.PurgeRequest { // beside what is allowed
		more.Services = append([]string{"shop"}, more.Services...)
		more.Hosts = append([]string{"till.example:8080"}, more.Hosts...)
		more.URLs = append([]string{"http://shop.example/a?b"}, more.URLs...)
		more.Prefixes = append([]string{"http://Shop.Example/a/"}, more.Prefixes...)
		return more
	}
	for _, c := range []struct {
		r   client.PurgeRequest
		but string // empty: it is allowed
	}{
		{in(client.PurgeRequest{}), ""},
		{in(client.PurgeRequest{Service: "shop", Tags: []string{"a"}}), ""},
		{in(client.PurgeRequest{Tags: []string{"a"}}), "tags of all services"},
		{in(client.PurgeRequest{Service: "blog", Tags: []string{"a"}}), "tags of service blog"},
		{in(client.PurgeRequest{Services: []string{"blog"}}), "service blog"},
		{in(client.PurgeRequest{All: true}), "all"},
		{in(client.PurgeRequest{Hosts: []string{"blog.example"}}), "host blog.example"},
		{in(client.PurgeRequest{Hosts: []string{"nobody.example"}}), "host nobody.example"},
		{in(client.PurgeRequest{URLs: []string{"http://blog.example/x?y"}}), "url http://blog.example/x?y"},
		{in(client.PurgeRequest{URLs: []string{"http://*/x"}}), "url http://*/x"},
		{in(client.PurgeRequest{URLs: []string{"http://nobody.example/"}}), "url http://nobody.example/"},
		{in(client.PurgeRequest{Prefixes: []string{"http://blog.example/x/"}}), "prefix http://blog.example/x/"},
	} {
		p, err := planPurge(&c.r)
		if err != nil {
			t.Fatal(err)
		}
		says := "the token may not do this: it is limited to service shop, till, and may purge that, its tags and what is on its hosts, but not " + c.but
		if err := p.allowed(shop, owner); c.but == "" && err != nil || c.but != "" && (err == nil || err.Error() != says) {
			t.Errorf("%+v: %v", c.r, err)
		}
		if err := p.allowed(caller{}, nil); err != nil {
			t.Errorf("%+v: without limits: %v", c.r, err)
		}
	}
}
