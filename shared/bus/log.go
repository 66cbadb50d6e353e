package bus

import (
	"errors"
	"fmt"
)

// PublishLog sends encoded entries of the control log to everybody who follows it. It does not block: they are
// sent in order, soon. The bus owns entries from now on. Errors: ErrDisconnected, also when too many messages
// wait to be sent. A lost message costs its followers time only: they fetch what they miss.
func (b *Bus) PublishLog(entries []byte) error {
	return b.enqueue(message{LogRoot + b.role, entries})
}

// message is one that is to be sent.
type message struct {
	subject string
	payload []byte
}

// enqueue has a message sent soon, behind those before it.
func (b *Bus) enqueue(m message) error {
	if !b.Connected() {
		return ErrDisconnected
	}
	select {
	case b.out <- m:
		return nil
	default:
		return fmt.Errorf("%w: it takes no more messages", ErrDisconnected)
	}
}

// send sends what enqueue was given, until Close.
func (b *Bus) send() {
	for {
		select {
		case m := <-b.out:
			if err := b.publish(m.subject, m.payload); err != nil && !errors.Is(err, ErrDisconnected) {
				b.report("a message was not sent on NATS", err)
			}
		case <-b.done:
			return
		}
	}
}

// SubscribeLog calls handle for each message of entries, one at a time, until stop is called. Messages may be
// lost, repeated or out of order.
func (b *Bus) SubscribeLog(handle func(entries []byte)) (stop func(), err error) {
	return b.subscribe(LogRoot+"*", func(_ string, payload []byte) { handle(payload) })
}
