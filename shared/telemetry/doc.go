// Package telemetry is how a node says what it does: metrics for Prometheus, traces over OTLP, and the
// form of its log lines.
//
// It is the only user of the OpenTelemetry SDK; everybody else sees the API packages (metric, trace,
// attribute) or Counter. It refuses to cost anything on the hit path: a request that is not sampled, or
// a node without a trace endpoint, allocates nothing, and counters there are Counters, which observable
// instruments read when they are scraped.
//
// A node whose traces go nowhere still works: failed exports are counted and dropped.
//
// Start reading at New; for traces at Telemetry.StartRequest, for hot counters at Counter.
package telemetry
