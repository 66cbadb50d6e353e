package control

import (
	"net/http"
	"testing"

	"tiercache/control/client"
)

// Names are for people: two tokens that have the same share neither idempotency keys nor what they may see.
func TestPurge_BelongsToATokenAndNotToItsName(t *testing.T) {
	n := start(t, nil)
	ctx := t.Context()
	holder := func() *client.Client {
		made, err := n.client(t, n.token).CreateToken(ctx, client.NewToken{Name: "ci", Roles: []string{"purge"}, Services: []string{"shop"}})
		if err != nil {
			t.Fatal(err)
		}
		return n.client(t, made.Secret)
	}
	one, two := holder(), holder()
	tag := func(tag string) client.PurgeRequest { return client.PurgeRequest{Tags: []string{tag}, Service: "shop"} }
	first := mustPurge(t, one, tag("a"), "k")
	if second := mustPurge(t, two, tag("b"), "k"); second.ID == first.ID || second.By != "ci" {
		t.Errorf("%+v", second)
	}
	if again := mustPurge(t, one, tag("a"), "k"); again.ID != first.ID {
		t.Errorf("%s again is %s", first.ID, again.ID)
	}
	_, err := two.Purge(ctx, first.ID)
	expectStatus(t, err, http.StatusNotFound)
	if list, err := two.Purges(ctx, "", 10); err != nil || len(list.Purges) != 1 || list.Purges[0].ID == first.ID {
		t.Errorf("%+v, %v", list, err)
	}
}
