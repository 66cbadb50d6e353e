package control

import (
	"strings"
	"testing"

	"tiercache/control/client"
)

// A token of one service purges what is on its hosts, by the services that are active, and nothing of others.
func TestPurge_TokenOfOneServiceCannotPurgeAnothers(t *testing.T) {
	n := start(t, nil)
	admin, ctx := n.client(t, n.token), t.Context()
	activate := func(name, hosts string) {
		t.Helper()
		s, err := admin.PutService(ctx, name, []byte("hosts: ["+hosts+"]\nupstream: origin"), -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := admin.ActivateService(ctx, name, s.Version, 0); err != nil {
			t.Fatal(err)
		}
	}
	activate("shop", "'*.shop.example'")
	activate("blog", "blog.shop.example, '*.blog.example'")
	activate("rest", "'*'")
	limited := func(roles []string, service string) *client.Client {
		t.Helper()
		made, err := admin.CreateToken(ctx, client.NewToken{Name: service, Roles: roles, Services: []string{service}})
		if err != nil {
			t.Fatal(err)
		}
		return n.client(t, made.Secret)
	}
	shop, rest := limited([]string{"purge"}, "shop"), limited([]string{"purge"}, "rest")
	check := func(c *client.Client, r client.PurgeRequest, refused string) {
		t.Helper()
		r.DryRun = true
		_, err := c.CreatePurge(ctx, r, "")
		if refused == "" && err != nil || refused != "" && (err == nil || !strings.Contains(err.Error(), "403") || !strings.Contains(err.Error(), refused)) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	check(shop, client.PurgeRequest{URLs: []string{"https://WWW.shop.example:8443/x"}, Prefixes: []string{"http://a.b.shop.example/x/"}, Hosts: []string{"www.shop.example"}}, "")
	for _, host := range []string{"blog.shop.example", "www.blog.example", "shop.example", "other.example"} {
		check(shop, client.PurgeRequest{URLs: []string{"http://" + host + "/x"}}, "limited to service shop, and may purge that, its tags and what is on its hosts, but not url http://"+host+"/x")
		check(shop, client.PurgeRequest{Prefixes: []string{"http://" + host + "/"}}, "not prefix http://"+host+"/")
		check(shop, client.PurgeRequest{Hosts: []string{host}}, "not host "+host)
	}
	check(shop, client.PurgeRequest{Tags: []string{"a"}, Service: "blog"}, "not tags of service blog")
	check(shop, client.PurgeRequest{Services: []string{"blog"}}, "not service blog")
	check(shop, client.PurgeRequest{All: true}, "not all")
	check(rest, client.PurgeRequest{Hosts: []string{"other.example", "shop.example"}}, "")
	check(rest, client.PurgeRequest{URLs: []string{"http://*/x"}}, "not url http://*/x")
	check(rest, client.PurgeRequest{Hosts: []string{"www.shop.example"}}, "not host www.shop.example")

	activate("shop", "www.shop.example") // the others are anybody's now
	eventually(t, "moved", func() bool { return n.ownerOf()("a.shop.example") == "rest" })
	check(shop, client.PurgeRequest{Hosts: []string{"a.shop.example"}}, "not host a.shop.example")
	check(rest, client.PurgeRequest{Hosts: []string{"a.shop.example"}}, "")

	reader := limited([]string{"read"}, "shop")
	for says, err := range map[string]error{
		"it has the role read, and this needs purge": func() error { _, err := reader.CreatePurge(ctx, tagged("a"), ""); return err }(),
		"this is not about one service":              func() error { _, err := reader.Fleet(ctx); return err }(),
		`this is about service "blog"`:               func() error { _, err := reader.Service(ctx, "blog", ""); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}
