package natsd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Limits of the server.
const (
	maxPayload     = 1 << 20  // a reply to a fetch is the largest message
	maxPending     = 16 << 20 // then a slow client is cut off
	maxConnections = 20_000
	maxSubs        = 100 // a client
	maxControlLine = 1 << 10
	writeDeadline  = 5 * time.Second
	authTimeout    = 2 * time.Second
	startTimeout   = 10 * time.Second
)

// DefaultListen is the address of the platform's NATS.
const DefaultListen = "127.0.0.1:7060"

// Config of the embedded server.
type Config struct {
	Listen      string // host:port, DefaultListen when empty; port 0 takes a free one
	Credentials string // directory of keys: see GenerateCredentials, which fills it
	Log         *slog.Logger
}

// Validate reports a setting that New would refuse.
func (c Config) Validate() error {
	if _, _, err := splitListen(c.Listen); err != nil {
		return fmt.Errorf("nats: listen %q: %w", c.Listen, err)
	}
	if c.Credentials == "" {
		return errors.New("nats: no directory of credentials")
	}
	return nil
}

func splitListen(listen string) (host string, port int, err error) {
	if listen == "" {
		listen = DefaultListen
	}
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, err
	}
	if host == "" {
		host = "127.0.0.1" // an omitted host must not open the bus to everybody
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is not a number up to 65535", text)
	}
	return host, int(n), nil
}

// Server is an embedded NATS server that has not started yet or runs.
type Server struct {
	cfg  Config
	nats *server.Server
	log  *slogAdapter
}

// New prepares a server: it creates missing credentials, opens no port and starts nothing.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	keys, err := GenerateCredentials(cfg.Credentials)
	if err != nil {
		return nil, err
	}
	options, err := options(cfg, keys)
	if err != nil {
		return nil, err
	}
	n, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	s := &Server{cfg: cfg, nats: n, log: newSlogAdapter(cfg.Log)}
	n.SetLoggerV2(s.log, false, false, false)
	return s, nil
}

func options(cfg Config, keys map[string]string) (*server.Options, error) {
	host, port, err := splitListen(cfg.Listen)
	if err != nil {
		return nil, err
	}
	if port == 0 {
		port = server.RANDOM_PORT // the library's own 0 means its default port
	}
	return &server.Options{
		ServerName:     "tiercache",
		Host:           host,
		Port:           port,
		Nkeys:          users(keys),
		NoSigs:         true, // signals are the process's business
		MaxConn:        maxConnections,
		MaxSubs:        maxSubs,
		MaxPayload:     maxPayload,
		MaxPending:     maxPending,
		MaxControlLine: maxControlLine,
		WriteDeadline:  writeDeadline,
		AuthTimeout:    authTimeout.Seconds(),
	}, nil
}

// Run serves until ctx ends. It calls ready once clients can connect, and fails when the port is
// taken.
func (s *Server) Run(ctx context.Context, ready func()) error {
	go s.nats.Start()
	defer s.nats.WaitForShutdown()
	defer s.nats.Shutdown()
	started := make(chan bool, 1)
	go func() { started <- s.nats.ReadyForConnections(startTimeout) }()
	select {
	case err := <-s.log.fatal:
		return err
	case ok := <-started:
		if !ok {
			return fmt.Errorf("nats: not ready after %v", startTimeout)
		}
	case <-ctx.Done():
		return nil
	}
	ready()
	select {
	case err := <-s.log.fatal:
		return err
	case <-ctx.Done():
		return nil
	}
}

// URL is where clients connect, valid once the server is ready.
func (s *Server) URL() string { return s.nats.ClientURL() }
