package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of a Server where its own fields are zero.
const (
	DefaultReadHeaderTimeout = 5 * time.Second
	DefaultBodyTimeout       = 10 * time.Second // less than handlers give the reply, which may wait for it
	DefaultIdleTimeout       = 60 * time.Second
	DefaultMaxHeaderBytes    = 32 << 10
)

// Server is a net/http server as a Part: with limits on what a client may send and how slowly, and a
// graceful stop. It is for APIs; the cache's hot path has a server of its own.
type Server struct {
	Name    string // the Part's name, "http" when empty
	Addr    string // host:port; port 0 takes a free one
	Handler http.Handler
	Log     *slog.Logger // gets net/http's own complaints at level warn; nil discards them

	ReadHeaderTimeout time.Duration // zero is DefaultReadHeaderTimeout
	ReadTimeout       time.Duration // whole request; zero leaves it to BodyTimeout
	BodyTimeout       time.Duration // body, unless its handler sets read deadlines of its own; zero is DefaultBodyTimeout
	WriteTimeout      time.Duration // whole reply; zero is no limit
	IdleTimeout       time.Duration // zero is DefaultIdleTimeout
	MaxHeaderBytes    int           // zero is DefaultMaxHeaderBytes
	DrainTimeout      time.Duration // then connections are cut; zero is DefaultDrainTimeout

	// Listening, when not nil, is called with the bound address before the part is ready.
	Listening func(net.Addr)
}

// Part returns the server as a part: ready once it listens; when told to stop it refuses new
// connections, closes idle ones and lets requests in flight finish.
func (s Server) Part() Part {
	return Part{Name: cmp.Or(s.Name, "http"), Run: s.run}
}

func (s Server) run(ctx context.Context, ready func()) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err) // names the address and the reason
	}
	srv := s.server()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	if s.Listening != nil {
		s.Listening(ln.Addr())
	}
	ready()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		return s.shutdown(srv)
	}
}

// shutdown waits for requests in flight up to the drain timeout and cuts the rest.
func (s Server) shutdown(srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(s.DrainTimeout, DefaultDrainTimeout))
	defer cancel()
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(fmt.Errorf("requests still in flight: %w", err), srv.Close())
	}
	return err
}

func (s Server) server() *http.Server {
	log := s.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           s.bounded(),
		ReadHeaderTimeout: cmp.Or(s.ReadHeaderTimeout, DefaultReadHeaderTimeout),
		ReadTimeout:       s.ReadTimeout,
		WriteTimeout:      s.WriteTimeout,
		IdleTimeout:       cmp.Or(s.IdleTimeout, DefaultIdleTimeout),
		MaxHeaderBytes:    cmp.Or(s.MaxHeaderBytes, DefaultMaxHeaderBytes),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// bounded is the handler with a deadline for each request's body. Where a handler replies without reading it,
// net/http reads it before it sends the reply, so a client that never sends the body would get none, and keep
// the connection for ever. At the body's end net/http takes the deadline off.
func (s Server) bounded() http.Handler {
	if s.ReadTimeout > 0 {
		return s.Handler
	}
	limit := cmp.Or(s.BodyTimeout, DefaultBodyTimeout)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// INVARIANT: a request without a body gets none. Nothing would take it off, and the request's context
		// would end with it.
		if r.Body != http.NoBody {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit)) // fails on a connection that is gone
		}
		s.Handler.ServeHTTP(w, r)
	})
}
