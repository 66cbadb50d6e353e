package endtoend

import (
	"testing"
	"time"
)

// TestObjects is the life of one platform that serves the origin's objects: content goes in and comes out,
// bad input is refused, parts are killed under load, and the whole is stopped, killed and started again.
// Each part leaves the platform well; the last ones end it.
func TestObjects(t *testing.T) {
	wholeRun(t)
	u := newUp(t)
	u.environ = nil // by default: among the parts that are killed is Redis
	u.start(t)
	t.Logf("first start: ready in %v", time.Since(u.process.began).Round(time.Millisecond))
	parts := []struct {
		name string
		run  func(*testing.T, *up)
	}{
		{"Tree", testTree},
		{"ObjectCommands", testObjectCommands},
		{"Status", testStatus},
		{"Tokens", testTokens},
		{"OversizeBody", testOversizeBody},
		{"MalformedRequests", testMalformedRequests},
		{"SecondOnOneFolder", testSecondOnOneFolder},
		{"Outages", testOutages},
		{"Restarts", testRestarts},
	}
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) { part.run(t, u) })
	}
}
