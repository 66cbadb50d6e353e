package cost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metrics are the lines of a node's /metrics: name and labels as they stand there, and the value.
type metrics map[string]float64

const (
	scrapeTimeout = 10 * time.Second
	maxMetrics    = 8 << 20
)

// scrape reads the metrics of a node by its admin address.
func scrape(ctx context.Context, admin string) (metrics, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxMetrics))
	if err != nil {
		return nil, fmt.Errorf("%s/metrics: %w", admin, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s/metrics: %s", admin, resp.Status)
	}
	m, err := parseMetrics(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s/metrics: %w", admin, err)
	}
	return m, nil
}

// parseMetrics reads Prometheus' text form, as our nodes write it: no times behind values.
func parseMetrics(text string) (metrics, error) {
	m, number := make(metrics), 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		if cut < 0 {
			return nil, fmt.Errorf("line %d: %q has no value", number, line)
		}
		value, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: the value of %s: %w", number, line[:cut], errors.Unwrap(err))
		}
		m[line[:cut]] = value
	}
	return m, nil
}

// sum adds up all lines of that name with all of those labels, each as name="value".
func (m metrics) sum(name string, labels ...string) (sum float64) {
	for line, value := range m {
		series, set, _ := strings.Cut(strings.TrimSuffix(line, "}"), "{")
		if series != name {
			continue
		}
		have := "," + set + ","
		ok := true
		for _, label := range labels {
			ok = ok && strings.Contains(have, ","+label+",")
		}
		if ok {
			sum += value
		}
	}
	return sum
}

// counts is what the tiers say of requests.
type counts struct {
	edge, regional float64 // requests
	origin         float64 // public reads
	originBytes    float64 // of bodies that it sent
}

// count asks the three tiers.
func (r *run) count(ctx context.Context) (c counts, err error) {
	for _, tier := range []struct {
		port int
		read func(metrics)
	}{
		{edgePort, func(m metrics) { c.edge = m.sum("tiercache_requests_total") }},
		{regionalPort, func(m metrics) { c.regional = m.sum("tiercache_requests_total") }},
		{originPort, func(m metrics) {
			c.origin = m.sum("tiercache_origin_requests_total", `route="public"`)
			c.originBytes = m.sum("tiercache_origin_body_bytes_total", `direction="out"`)
		}},
	} {
		m, err := scrape(ctx, r.url(tier.port+adminDistance))
		if err != nil {
			return c, err
		}
		tier.read(m)
	}
	return c, nil
}

func (c counts) minus(o counts) counts {
	return counts{c.edge - o.edge, c.regional - o.regional, c.origin - o.origin, c.originBytes - o.originBytes}
}
