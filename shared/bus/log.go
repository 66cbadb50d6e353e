package bus

// PublishLog sends encoded entries of the control log to everybody who follows it. Errors: ErrDisconnected.
// A lost message costs its followers time only: they fetch what they miss.
func (b *Bus) PublishLog(entries []byte) error { return b.publish(LogRoot+b.role, entries) }

// SubscribeLog calls handle for each message of entries, one at a time, until stop is called. Messages may be
// lost, repeated or out of order.
func (b *Bus) SubscribeLog(handle func(entries []byte)) (stop func(), err error) {
	return b.subscribe(LogRoot+"*", func(_ string, payload []byte) { handle(payload) })
}
