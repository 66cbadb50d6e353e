package bus

// Traffic is what a connection has carried since it was opened, reconnects included: messages with their subjects, not the
// protocol around them.
type Traffic struct {
	InMessages, OutMessages uint64
	InBytes, OutBytes       uint64
}

// Plus is both.
func (t Traffic) Plus(o Traffic) Traffic {
	return Traffic{t.InMessages + o.InMessages, t.OutMessages + o.OutMessages, t.InBytes + o.InBytes, t.OutBytes + o.OutBytes}
}

// Traffic is what the connection has carried.
func (b *Bus) Traffic() Traffic {
	s := b.conn.Stats()
	return Traffic{s.InMsgs, s.OutMsgs, s.InBytes, s.OutBytes}
}
