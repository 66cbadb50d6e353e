package control

import (
	"strings"
	"testing"

	"tiercache/control/client"
)

func TestAPI_MembersAreSpelledAsDescribed(t *testing.T) {
	n := start(t, nil)
	c := n.client(t, n.token)
	for path, bodies := range map[string][]string{
		"/v1/purges":                         {`{"tags":["a"],"DRY_RUN":true}`, `{"Tags":["a"]}`, `{"tags":["a"],"dry_run":true,"Dry_Run":false}`},
		"/v1/tokens":                         {`{"NAME":"ci","roles":["read"]}`, `{"name":"ci","roles":["read"],"Services":["shop"]}`},
		"/v1/services/x/versions/1/activate": {`{"WAIT":"1s"}`},
	} {
		for _, body := range bodies {
			r := n.post(t, path, body, nil)
			expectProblem(t, r, 422)
			if !strings.Contains(r.text, "is no member: names are in lower case") {
				t.Errorf("%s %s: %s", path, body, r.text)
			}
		}
	}
	if list, err := c.Purges(t.Context(), "", 10); err != nil || len(list.Purges) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	mustPurge(t, c, client.PurgeRequest{Tags: []string{"a"}, DryRun: true, Wait: "1s", Mode: "soft"}, "")
}
