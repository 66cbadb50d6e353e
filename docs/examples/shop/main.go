// Command shop is a small shop whose pages are cached until what they show changes. It is an application like any
// other in front of which tiercache stands: it knows of it what README.md says, and imports nothing of it.
//
// Start reading at pages.go, which says what each page shows and which tags that gives it; schema.sql has the other
// side, the tags that a change of a table purges.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// pageTimeout bounds the work on one page; the caches wait longer.
	pageTimeout = 10 * time.Second
	// stopTimeout bounds the wait for requests that are under way when the shop is told to stop.
	stopTimeout = 10 * time.Second
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:3000", "address to listen on")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	location := os.Getenv("DATABASE_URL")
	if location == "" {
		return errors.New("DATABASE_URL is empty: give the URL of the shop's database")
	}
	pool, err := pgxpool.New(ctx, location)
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer pool.Close()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	slog.Info("the shop is open", "url", "http://"+listener.Addr().String())
	return serve(ctx, newServer(&shop{db: pool}), listener)
}

func newServer(s *shop) *http.Server {
	return &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      pageTimeout + 10*time.Second,
		// Longer than the caches keep an idle connection: who closes first must not be the one that is asked.
		IdleTimeout:    3 * time.Minute,
		MaxHeaderBytes: 32 << 10,
	}
}

// serve answers until ctx ends, then finishes what is under way.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}
