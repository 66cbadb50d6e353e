package bus

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
)

// Ask asks one node. Errors: ErrDisconnected, ErrNobody when no such node listens, ErrName, ctx's.
func (b *Bus) Ask(ctx context.Context, tier, node string, payload []byte) ([]byte, error) {
	if err := errors.Join(ValidName(tier), ValidName(node)); err != nil {
		return nil, err
	}
	return b.request(ctx, AskRoot+tier+"."+node, payload, func([]byte) bool { return true })
}

// ServeAsk calls handle with the questions to the node of that tier and name, until stop is called. handle runs in turn
// for all questions, so that it must not block; reply may be called later, from anywhere, and not at all. Control alone
// may ask.
func (b *Bus) ServeAsk(tier, node string, handle func(payload []byte, reply func([]byte))) (stop func(), err error) {
	if err := errors.Join(ValidName(tier), ValidName(node)); err != nil {
		return nil, err
	}
	return b.consume(AskRoot+tier+"."+node, "", func(m *nats.Msg) { handle(m.Data, b.replier(m)) })
}
