package control

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// observeFleet serves the number of nodes by tier and state.
func (c *Control) observeFleet() error {
	_, err := c.tel.Meter().Int64ObservableGauge("tiercache_fleet_nodes",
		metric.WithDescription("Nodes that control has heard of, by tier and state."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			type group struct{ tier, state string }
			counts := make(map[group]int64)
			for _, n := range c.fleet(time.Now()).Nodes {
				counts[group{n.Tier, n.State}]++
			}
			for g, n := range counts {
				o.Observe(n, metric.WithAttributes(attribute.String("tier", g.tier), attribute.String("state", g.state)))
			}
			return nil
		}))
	return err
}

// measured records how long requests took, by class of status.
func (c *Control) measured(next http.Handler) http.Handler {
	took := c.tel.NewDurations("tiercache_control_request_duration",
		"How long the control API took to answer, by class of status.", "status", "other", "1xx", "2xx", "3xx", "4xx", "5xx")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		counted := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { took.Record(counted.class(), time.Since(start)) }()
		next.ServeHTTP(counted, r)
	})
}

// statusWriter remembers the status of a reply.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// class is the first digit of the status, 0 for a strange one.
func (w *statusWriter) class() int {
	if class := w.status / 100; class >= 1 && class <= 5 {
		return class
	}
	return 0
}
