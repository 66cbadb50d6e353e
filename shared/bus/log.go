package bus

import (
	"errors"
	"fmt"
)

// PublishLog sends encoded entries of the control log to everybody who follows it. It does not block: they are
// sent in order, soon. The bus owns entries from now on. Errors: ErrDisconnected, also when too many messages
// wait to be sent. A lost message costs its followers time only: they fetch what they miss.
func (b *Bus) PublishLog(entries []byte) error {
	if !b.Connected() {
		return ErrDisconnected
	}
	select {
	case b.out <- entries:
		return nil
	default:
		return fmt.Errorf("%w: it takes no more messages", ErrDisconnected)
	}
}

// send sends what PublishLog was given, until Close.
func (b *Bus) send() {
	for {
		select {
		case entries := <-b.out:
			if err := b.publish(LogRoot+b.role, entries); err != nil && !errors.Is(err, ErrDisconnected) {
				b.report("entries of the control log were not sent on NATS", err)
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
