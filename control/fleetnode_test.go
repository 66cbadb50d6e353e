package control

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"tiercache/shared/controllog"
	"tiercache/shared/testkit"
	"tiercache/shared/token"
)

// withTier gives the control node the fleet's secret.
func withTier(t *testing.T) func(*Config) {
	path := filepath.Join(t.TempDir(), "tier.token")
	if err := os.WriteFile(path, []byte(token.Generate()), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.TierTokenFile = path }
}

// fleetNode is a node that follows control over HTTP, step by step.
type fleetNode struct {
	control *controlNode
	renew   controllog.Renew
	replica *controllog.Replica
}

func (n *controlNode) member(name, tier string) *fleetNode {
	return &fleetNode{n, controllog.Renew{Node: name, Tier: tier, Region: "r1", Instance: rand.Text()}, controllog.NewReplica(1 << 10)}
}

// call sends a request with the fleet's secret.
func (n *controlNode) call(t *testing.T, method, path string, body any) reply {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, n.url+path, bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(controllog.TierHeader, n.tier)
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

// say renews, with what the node has applied.
func (f *fleetNode) say(t *testing.T) controllog.RenewReply {
	t.Helper()
	f.renew.Applied, f.renew.Nonce = f.replica.Applied(), token.Generate()
	r := f.control.call(t, http.MethodPost, "/v1/node/renew", f.renew)
	var answer controllog.RenewReply
	if err := json.Unmarshal([]byte(r.text), &answer); err != nil || answer.Nonce != f.renew.Nonce {
		t.Fatalf("%d %s: %v", r.StatusCode, r.text, err)
	}
	return answer
}

// join registers the node and applies through the head, as a node does before it serves.
func (f *fleetNode) join(t *testing.T) *fleetNode {
	t.Helper()
	f.renew.Join = true
	answer := f.say(t)
	f.renew.Join = false
	if answer.Refused != "" {
		t.Fatal(answer.Refused)
	}
	f.catchUp(t)
	if f.replica.Applied() < answer.Head {
		t.Fatalf("applied %d, head %d", f.replica.Applied(), answer.Head)
	}
	return f
}

// catchUp fetches and applies what there is, from an image when nothing was applied yet or the log does not
// reach back, and reports it.
func (f *fleetNode) catchUp(t *testing.T) {
	t.Helper()
	for {
		r := f.control.call(t, http.MethodGet, "/v1/node/log?after="+strconv.FormatUint(f.replica.Applied(), 10), nil)
		if r.StatusCode == http.StatusGone {
			f.restore(t)
			continue
		}
		entries, err := controllog.DecodeEntries([]byte(r.text))
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%d %s: %v", r.StatusCode, r.text, err)
		}
		if len(entries) == 0 {
			break
		}
		_, err = f.replica.Apply(entries...)
		if errors.Is(err, controllog.ErrReset) {
			f.restore(t)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if answer := f.say(t); answer.Refused != "" {
		t.Fatal(answer.Refused)
	}
}

func (f *fleetNode) restore(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, deadline, func() error {
		r := f.control.call(t, http.MethodGet, "/v1/node/image", nil)
		image, err := controllog.DecodeImage([]byte(r.text))
		if err != nil {
			return err
		}
		return f.replica.Restore(image)
	})
}
