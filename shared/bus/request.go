package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// maxAnswers bounds the replies to one request that are held for its sender: one from each control node.
const maxAnswers = 16

// ErrNobody says that nobody is there who would answer such a request.
var ErrNobody = errors.New("nobody answers on NATS")

// Renew asks all control nodes and returns the first answer that is good. When ctx ends before one came, it
// returns the last of the others, if there was any. Errors: ErrDisconnected, ErrNobody, ErrName, ctx's.
func (b *Bus) Renew(ctx context.Context, tier, node string, payload []byte, good func(answer []byte) bool) ([]byte, error) {
	if err := errors.Join(ValidName(tier), ValidName(node)); err != nil {
		return nil, err
	}
	return b.request(ctx, RenewRoot+tier+"."+node, payload, good)
}

// Report tells all control nodes something that wants no answer, in order with other reports. It does not block; the bus
// owns payload from now on. Errors: ErrDisconnected, also when too many messages wait to be sent; ErrName.
func (b *Bus) Report(tier, node string, payload []byte) error {
	if err := errors.Join(ValidName(tier), ValidName(node)); err != nil {
		return err
	}
	return b.enqueue(message{RenewRoot + tier + "." + node, payload})
}

// ServeRenew calls handle for each node's request or report, until stop is called. handle runs in turn for all nodes, so
// that it must not block; reply may be called later and from anywhere, and not at all. For a report it does nothing.
func (b *Bus) ServeRenew(handle func(tier, node string, payload []byte, reply func([]byte))) (stop func(), err error) {
	return b.consume(RenewRoot+"*.*", "", func(m *nats.Msg) {
		tier, node, _ := strings.Cut(strings.TrimPrefix(m.Subject, RenewRoot), ".")
		handle(tier, node, m.Data, b.replier(m))
	})
}

// Fetch asks one control node. Errors: as Renew's.
func (b *Bus) Fetch(ctx context.Context, tier string, payload []byte) ([]byte, error) {
	if err := ValidName(tier); err != nil {
		return nil, err
	}
	return b.request(ctx, FetchRoot+tier, payload, func([]byte) bool { return true })
}

// ServeFetch calls handle for the requests that this control node is to answer, as ServeRenew does.
func (b *Bus) ServeFetch(handle func(tier string, payload []byte, reply func([]byte))) (stop func(), err error) {
	return b.consume(FetchRoot+"*", fetchQueue, func(m *nats.Msg) {
		handle(strings.TrimPrefix(m.Subject, FetchRoot), m.Data, b.replier(m))
	})
}

// replier answers a message; an answer that cannot be sent is for its receiver to miss.
func (b *Bus) replier(m *nats.Msg) func([]byte) {
	return func(answer []byte) {
		if m.Reply == "" {
			return
		}
		if err := b.publish(m.Reply, answer); err != nil && !errors.Is(err, ErrDisconnected) {
			b.report("no reply on NATS", err)
		}
	}
}

// lastWords is how long a request that is over waits for what it has got.
const lastWords = 20 * time.Millisecond

// request is ask, and over when ctx ends: the library waits for a lock that it may hold for seconds while it tries
// to reconnect.
func (b *Bus) request(ctx context.Context, subject string, payload []byte, good func([]byte) bool) ([]byte, error) {
	if !b.Connected() {
		return nil, ErrDisconnected
	}
	type outcome struct {
		answer []byte
		err    error
	}
	asked := make(chan outcome, 1)
	go func() {
		answer, err := b.ask(ctx, subject, payload, good)
		asked <- outcome{answer, err}
	}()
	select {
	case o := <-asked:
		return o.answer, o.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case o := <-asked:
		return o.answer, o.err
	case <-timer.C:
		return nil, fmt.Errorf("request %s: %w", subject, context.Cause(ctx))
	}
}

// ask sends one message and reads answers until one is good or ctx ends.
func (b *Bus) ask(ctx context.Context, subject string, payload []byte, good func([]byte) bool) ([]byte, error) {
	inbox, answers := b.conn.NewInbox(), make(chan *nats.Msg, maxAnswers)
	sub, err := b.conn.ChanSubscribe(inbox, answers)
	if err != nil {
		return nil, fmt.Errorf("subscribe %s: %w", inbox, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed
	if err := b.conn.PublishRequest(subject, inbox, payload); err != nil {
		return nil, fmt.Errorf("publish %s: %w", subject, err)
	}
	var last []byte
	for {
		select {
		case m := <-answers:
			switch {
			case isNobody(m):
				return nil, ErrNobody
			case good(m.Data):
				return m.Data, nil
			}
			last = m.Data
		case <-ctx.Done():
			if last != nil {
				return last, nil
			}
			return nil, fmt.Errorf("request %s: %w", subject, context.Cause(ctx))
		}
	}
}

// isNobody recognises the server's own answer to a request that nobody is subscribed to.
func isNobody(m *nats.Msg) bool {
	return len(m.Data) == 0 && m.Header.Get("Status") == "503"
}
