package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// relay stands before a server, on an address of its own: what goes through it can be slowed down, and it can be led to
// another server, as an address that moves.
type relay struct {
	name   string
	addr   string // host and port
	server *toxiproxy.ApiServer
	proxy  *toxiproxy.Proxy
}

// newRelay starts one at addr.
func newRelay(name, addr, upstream string) (*relay, error) {
	r := &relay{name: name, addr: addr, server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
	return r, r.lead(upstream)
}

// lead makes it one to another server. Connections to the last one are cut.
func (r *relay) lead(upstream string) error {
	r.stop()
	r.proxy = toxiproxy.NewProxy(r.server, r.name, r.addr, upstream)
	if err := r.proxy.Start(); err != nil {
		return fmt.Errorf("relay to %s: %w", r.name, err)
	}
	return nil
}

// stop refuses connections and cuts those that there are.
func (r *relay) stop() {
	if r.proxy != nil {
		r.proxy.Stop()
		r.proxy = nil
	}
}

// slow delays each part of a stream, in milliseconds: of requests (upstream) or of answers (downstream).
func (r *relay) slow(stream string, by, jitter int) error {
	toxic, err := json.Marshal(map[string]any{
		"name": "delay", "type": "latency", "stream": stream, "toxicity": 1.0,
		"attributes": map[string]int{"latency": by, "jitter": jitter},
	})
	if err != nil {
		return err
	}
	_, err = r.proxy.Toxics.AddToxicJson(strings.NewReader(string(toxic)))
	return err
}

// speed ends the delay.
func (r *relay) speed(ctx context.Context) error { return r.proxy.Toxics.RemoveToxic(ctx, "delay") }
