package origin

import "tiercache/shared/controllog"

// maxMessage is the size, in bytes, from which on entries go into the next message on the bus.
const maxMessage = 256 << 10

// Publish tells the nodes of entries that have just been moved into the control log. It does not block. What
// cannot be sent is counted and not kept: control publishes it a few milliseconds later, and the nodes fetch
// what nobody has told them.
func (o *Origin) Publish(rows []controllog.Row) {
	if o.PublishLog == nil {
		return
	}
	var message []byte
	for i := range rows {
		entry, err := rows[i].Entry()
		if err != nil { // the entry can be used all the same
			o.log.Error("an entry of the control log is malformed", "error", err)
		}
		message = controllog.AppendMessage(message, &entry)
		if len(message) >= maxMessage {
			o.publish(message)
			message = nil
		}
	}
	if len(message) > 0 {
		o.publish(message)
	}
}

func (o *Origin) publish(message []byte) {
	if err := o.PublishLog(message); err != nil {
		o.unpublished.Add(1)
		return
	}
	o.published.Add(1)
}
