package peers

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// Share is how much of the edge's processor time a part of it takes.
type Share struct {
	Part string
	Of1  float64
}

// parts are what a sample of the processor is counted for: the first of them whose text one of its frames has, from the
// innermost frame on.
var parts = []struct{ part, frame string }{
	{"kernel: receive", "internal/poll.(*FD).Read"},
	{"kernel: send", "internal/poll.(*FD).Write"},
	{"kernel: send", "internal/poll.(*FD).Writev"},
	{"kernel: wait for connections", "runtime.netpoll"},
	{"Go: scheduler", "runtime.mcall"},
	{"Go: garbage collector", "runtime.gcBgMarkWorker"},
	{"L1: look up and copy", "bigcache"},
	{"index of purges", "tiercache/shared/invalidation"},
	{"rules of HTTP", "tiercache/shared/httpcache"},
	{"rules of HTTP", "tiercache/shared/cachekey"},
	{"the edge", "tiercache/shared/proxy.(*Proxy)"},
	{"the edge", "tiercache/shared/proxy/listener.(*Listener)"},
	{"fasthttp", "github.com/valyala/fasthttp"},
}

// shares sums a profile up by parts, the largest first.
func shares(p *profile.Profile) []Share {
	sums, total := map[string]float64{}, 0.0
	for _, s := range p.Sample {
		value := float64(s.Value[len(s.Value)-1])
		sums[partOf(s)] += value
		total += value
	}
	list := make([]Share, 0, len(sums))
	for part, sum := range sums {
		list = append(list, Share{part, sum / max(1, total)})
	}
	slices.SortFunc(list, func(a, b Share) int { return cmp.Or(cmp.Compare(b.Of1, a.Of1), cmp.Compare(a.Part, b.Part)) })
	return list
}

func partOf(s *profile.Sample) string {
	for _, location := range s.Location {
		for _, line := range location.Line {
			for _, p := range parts {
				if line.Function != nil && strings.Contains(line.Function.Name, p.frame) {
					return p.part
				}
			}
		}
	}
	return "Go: the rest"
}

// profile loads the edge once more and asks it where its time goes.
func (r *run) profile(ctx context.Context, s *server, w workload) ([]Share, error) {
	loaded := make(chan error, 1)
	go func() {
		_, err := r.wrk(ctx, s, w)
		loaded <- err
	}()
	url := fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/profile?seconds=%d", s.stand.port+1, max(1, int(r.cfg.Lasting.Seconds())-1))
	p, err := fetchProfile(ctx, url)
	if loadErr := <-loaded; err == nil {
		err = loadErr
	}
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return shares(p), nil
}

func fetchProfile(ctx context.Context, url string) (*profile.Profile, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or broken
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", url, resp.StatusCode)
	}
	return profile.Parse(resp.Body)
}
