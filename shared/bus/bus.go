package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"tiercache/shared/runner"
)

const (
	// component is the bus's name in /readyz.
	component = "nats"

	dialTimeout   = 2 * time.Second
	writeTimeout  = 2 * time.Second // then the connection counts as dead
	reconnectWait = 250 * time.Millisecond
	jitter        = 250 * time.Millisecond // so that a fleet does not come back in one instant
	pingInterval  = 5 * time.Second
	maxPings      = 2 // unanswered ones, then the connection counts as dead

	// maxOut bounds the messages of PublishLog that wait to be sent.
	maxOut = 1024

	// Bounds of what a subscription holds for a slow reader.
	pendingMessages = 4096
	pendingBytes    = 4 << 20
)

// ErrDisconnected says that there is no connection to NATS at the moment, or none that answers, so that a message was
// not sent.
var ErrDisconnected = errors.New("not connected to NATS, or it does not answer")

// Config of a connection.
type Config struct {
	URL      string // nats://host:port, comma separated when there are several servers
	SeedFile string // file with the nkey seed of this node's role; empty: no authentication
	Name     string // shown in the server's own reports, such as edge-1
	Role     string // edge, regional, origin or control: decides where replies may arrive

	Log    *slog.Logger   // one line a change of state; nil discards them
	Health *runner.Health // gets the component "nats", not required; nil: none
}

// Validate reports a setting that Connect would refuse.
func (c Config) Validate() error {
	if err := ValidURL(c.URL); err != nil {
		return fmt.Errorf("nats_url: %w", err)
	}
	if err := ValidName(c.Role); err != nil {
		return fmt.Errorf("bus: role: %w", err)
	}
	return nil
}

// Bus is a connection to NATS, there or on its way back. It is safe for concurrent use.
type Bus struct {
	conn   *nats.Conn
	role   string
	log    *slog.Logger
	health *runner.Component

	// up says whether there is a connection to a server that answers. The library's own word for it waits for a lock
	// that it holds while it tries to reconnect, for seconds when the server accepts and says nothing.
	up atomic.Bool
	// out holds what is to be sent by nobody who may wait, since sending may wait for the same lock.
	out  chan message
	done chan struct{} // closed by Close
	once sync.Once

	mu struct {
		sync.Mutex
		lastError string // logged already
		link      link
	}
}

// Connect starts connecting and returns at once: a server that is not there yet is waited for in the
// background, for ever. An error is one of configuration, such as a seed file that cannot be read.
// The caller must call Close.
func Connect(_ context.Context, cfg Config) (*Bus, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := newBus(cfg)
	options, err := b.options(cfg)
	if err != nil {
		return nil, err
	}
	b.health.Fail("connecting")
	if b.conn, err = nats.Connect(cfg.URL, options...); err != nil {
		return nil, fmt.Errorf("bus: connect: %w", withoutURL(err))
	}
	go b.send()
	go b.watch()
	return b, nil
}

func newBus(cfg Config) *Bus {
	health := cmp.Or(cfg.Health, runner.NewHealth())
	b := &Bus{
		out: make(chan message, maxOut), done: make(chan struct{}),
		role: cfg.Role, log: cfg.Log, health: health.Component(component, false),
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	return b
}

func (b *Bus) options(cfg Config) ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name(cfg.Name),
		nats.CustomInboxPrefix(inboxPrefix + cfg.Role),
		nats.Timeout(dialTimeout),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // credentials may be repaired while we wait
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(jitter, jitter),
		nats.ReconnectBufSize(-1), // none: what is sent while disconnected fails
		nats.PingInterval(pingInterval),
		nats.FlusherTimeout(writeTimeout),
		nats.MaxPingsOutstanding(maxPings),
		nats.ConnectHandler(b.connected),
		nats.ReconnectHandler(b.connected),
		nats.DisconnectErrHandler(b.disconnected),
		nats.ReconnectErrHandler(b.disconnected),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { b.failed(err) }),
	}
	if cfg.SeedFile == "" {
		return options, nil
	}
	seed, err := nats.NkeyOptionFromSeed(cfg.SeedFile)
	if err != nil {
		return nil, fmt.Errorf("bus: nats_seed_file %s: %w", cfg.SeedFile, err)
	}
	return append(options, seed), nil
}

func (b *Bus) connected(c *nats.Conn) {
	server := c.ConnectedUrlRedacted()
	b.join(server)
	b.log.Info("connected to NATS", "url", server)
	b.forget()
}

// disconnected is called for a connection that was lost and for each attempt that failed.
func (b *Bus) disconnected(c *nats.Conn, err error) {
	if err == nil || c.IsClosed() {
		b.up.Store(false)
		return // our own Close
	}
	b.part(err.Error())
	b.report("no connection to NATS, trying on", err)
}

// failed is called for what the server refuses and for slow subscriptions; the connection stands.
func (b *Bus) failed(err error) { b.report("NATS reports an error", err) }

// report logs an error unless it is the same as the one before: attempts repeat several times a second.
func (b *Bus) report(message string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.lastError == err.Error() {
		return
	}
	b.mu.lastError = err.Error()
	b.log.Warn(message, "error", err)
}

func (b *Bus) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.lastError = ""
}

// publish sends one message. ErrDisconnected when there is no connection; nil means that the message
// was handed to the connection, not that anybody got it.
func (b *Bus) publish(subject string, payload []byte) error {
	if !b.Connected() {
		return ErrDisconnected
	}
	if err := b.conn.Publish(subject, payload); err != nil {
		return fmt.Errorf("publish %s: %w", subject, err)
	}
	return nil
}

// subscribe calls handle for each message, one at a time, until the returned function is called. It
// survives reconnects.
func (b *Bus) subscribe(subject string, handle func(subject string, payload []byte)) (stop func(), err error) {
	return b.consume(subject, "", func(m *nats.Msg) { handle(m.Subject, m.Data) })
}

// consume is subscribe for messages that may want a reply. Of the members of a group one gets each message;
// without a group everybody does.
func (b *Bus) consume(subject, group string, handle nats.MsgHandler) (stop func(), err error) {
	sub, err := b.conn.QueueSubscribe(subject, group, handle)
	if err != nil {
		return nil, fmt.Errorf("subscribe %s: %w", subject, err)
	}
	if err := sub.SetPendingLimits(pendingMessages, pendingBytes); err != nil {
		return nil, fmt.Errorf("subscribe %s: %w", subject, err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only when it or the connection is closed already
}

// Connected reports whether there is a connection at the moment, to a server that answers.
func (b *Bus) Connected() bool { return b.up.Load() }

// Flush waits until the server has read what was published before.
func (b *Bus) Flush(ctx context.Context) error { return b.conn.FlushWithContext(ctx) }

// Close ends the connection and all subscriptions; a handler that runs is not waited for.
func (b *Bus) Close() {
	b.once.Do(func() { close(b.done) })
	b.up.Store(false)
	b.conn.Close()
}
