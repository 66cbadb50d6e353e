package simulation

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
)

// logger writes what a process says into the history.
type logger struct {
	record *record
	name   string
	text   string       // once it says that,
	said   *atomic.Bool // this is true; nil: it does not matter
}

func (w *world) logger(name string) *slog.Logger { return w.listening(name, "", nil) }

// listening is a logger that notices a text.
func (w *world) listening(name, text string, said *atomic.Bool) *slog.Logger {
	return slog.New(&logger{w.record, name, text, said})
}

func (l *logger) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (l *logger) Handle(_ context.Context, r slog.Record) error {
	if l.said != nil && r.Message == l.text {
		l.said.Store(true)
	}
	var text strings.Builder
	text.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		text.WriteString(" " + a.String())
		return true
	})
	l.record.note("%s says: %s", l.name, text.String())
	return nil
}

// WithAttrs and WithGroup are not used by what runs here.
func (l *logger) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *logger) WithGroup(string) slog.Handler      { return l }
