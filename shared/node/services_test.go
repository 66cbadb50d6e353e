package node

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"

	"tiercache/shared/controllog"
	"tiercache/shared/policy"
)

// change is an active service that answers for hosts.
func change(name string, hosts ...string) controllog.ServiceChange {
	return controllog.ServiceChange{Name: name, Version: 1, Document: &policy.Service{Name: name, Hosts: hosts, Upstream: policy.UpstreamOrigin}}
}

func TestServices_NoneTakesEffectOnceTheLogHadSome(t *testing.T) {
	n := &Node{Log: slog.New(slog.DiscardHandler)}
	var used []string
	take := n.inForce(func(s *policy.Set) {
		var names []string
		for _, m := range s.All() {
			names = append(names, m.Name)
		}
		used = append(used, strings.Join(names, " "))
	})
	take(nil) // the node's own stay
	take([]controllog.ServiceChange{change("a", "a"), change("b", "b")})
	take([]controllog.ServiceChange{change("a", "x"), change("b", "x")}) // contradict each other
	take([]controllog.ServiceChange{change("b", "b")})
	take(nil)
	take([]controllog.ServiceChange{change("c", "c")})
	if want := []string{"a b", "b", "", "c"}; !slices.Equal(used, want) {
		t.Errorf("used %q, want %q", used, want)
	}
}

func TestClose_ReceiverOfTracesThatHangsIsAWarning(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cfg := DefaultConfig("edge-1", "127.0.0.1:1")
	cfg.OTLPEndpoint, cfg.SampleRatio = "http://"+listener.Addr().String(), 1
	n, err := New(t.Context(), "edge", cfg)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	n.Log = slog.New(slog.NewTextHandler(&said, nil))
	_, span := n.Telemetry.StartRequest(context.Background(), "edge request", func(string) string { return "" })
	span.End()
	if err := n.Close(t.Context()); err != nil {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(said.String(), `level=WARN msg="the last traces were not sent"`) {
		t.Errorf("it says %q", said.String())
	}
}
