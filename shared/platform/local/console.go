package local

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// console writes whole lines for people, from several goroutines. A terminal that is gone, or a reader as in
// `up | tee log` that Ctrl-C ends first, stops nothing: write errors are dropped, and runner.Signals sees to
// it that a broken pipe is one.
type console struct {
	mu sync.Mutex // one write at a time
	w  io.Writer
}

func (c *console) line(format string, args ...any) {
	c.write(fmt.Sprintf(format, args...) + "\n")
}

func (c *console) write(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = io.WriteString(c.w, text)
}

// table shows every part and its addresses.
func (c *console) table(plan *Plan, cfg *Config, took time.Duration) {
	var text strings.Builder
	fmt.Fprintf(&text, "\ntiercache is ready after %.1f s\n\n", took.Seconds())
	w := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	row := func(columns ...string) { fmt.Fprintln(w, strings.Join(columns, "\t")) }
	row("NAME", "ROLE", "REGION", "ADDRESS", "ADMIN")
	for _, tier := range []string{tierEdge, tierRegional, tierOrigin, tierControl} {
		for _, node := range plan.Of(tier) {
			row(node.Name, tier, node.Region, node.URL, "http://"+node.Admin)
		}
	}
	for _, server := range plan.Redis {
		row(server.Name, "L2 store", server.Region, loopback(server.Port), "-")
	}
	if len(plan.Redis) == 0 {
		row("redis", "L2 store", "-", cfg.RedisAddr+" (given)", "-")
	}
	row("postgres", "database", "-", address(plan.PostgresPort, cfg.PostgresURL), "-")
	row("nats", "message bus", "-", address(plan.NATSPort, cfg.NATSURL), "-")
	w.Flush() // into memory: cannot fail
	c.write(text.String())
}

// address is loopback's port, or the given server without its password.
func address(port int, given string) string {
	if port == 0 {
		return shown(given) + " (given)"
	}
	return loopback(port)
}

// consoleHandler shows slog records as plain lines: the text and the values.
type consoleHandler struct{ out *console }

func (h consoleHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h consoleHandler) Handle(_ context.Context, record slog.Record) error {
	line := "tiercache: " + record.Message
	record.Attrs(func(attr slog.Attr) bool {
		line += fmt.Sprintf(" %s=%v", attr.Key, attr.Value)
		return true
	})
	h.out.line("%s", line)
	return nil
}

func (h consoleHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h consoleHandler) WithGroup(string) slog.Handler      { return h }
