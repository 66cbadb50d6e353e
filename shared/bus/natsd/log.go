package natsd

import (
	"errors"
	"fmt"
	"log/slog"
)

// slogAdapter is the server's logger. What the server calls fatal it reports to Run instead of ending
// the process.
type slogAdapter struct {
	log   *slog.Logger
	fatal chan error // buffered for one; later ones are logged
}

func newSlogAdapter(log *slog.Logger) *slogAdapter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &slogAdapter{log: log, fatal: make(chan error, 1)}
}

// Fatalf keeps the first failure for Run.
func (a *slogAdapter) Fatalf(format string, v ...any) {
	err := errors.New("nats: " + fmt.Sprintf(format, v...))
	select {
	case a.fatal <- err:
	default:
		a.Errorf(format, v...)
	}
}

// Errorf logs what the server calls an error: mostly clients that it refused.
func (a *slogAdapter) Errorf(format string, v ...any) {
	a.log.Warn("nats", "text", fmt.Sprintf(format, v...))
}

// Warnf logs a warning.
func (a *slogAdapter) Warnf(format string, v ...any) {
	a.log.Warn("nats", "text", fmt.Sprintf(format, v...))
}

// Noticef logs at debug: banners and clients that come and go.
func (a *slogAdapter) Noticef(format string, v ...any) {
	a.log.Debug("nats", "text", fmt.Sprintf(format, v...))
}

// Debugf is not asked for.
func (a *slogAdapter) Debugf(string, ...any) {}

// Tracef is not asked for: it would print messages.
func (a *slogAdapter) Tracef(string, ...any) {}
