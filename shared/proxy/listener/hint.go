package listener

import "time"

const hintLine = "HTTP/1.1 103 Early Hints\r\n"

// Hint implements proxy.Exchange. A client of HTTP/1.0 gets none: it knows no interim responses and would take one for
// the reply (RFC 9110, 15.2).
//
// It goes to the connection itself, past fasthttp's buffer, which is empty: a connection hands over one request at a
// time, so fasthttp has flushed the reply before.
func (x *exchange) Hint(fields []byte) {
	if x.ctx.Request.Header.IsHTTP11() {
		connOf(x.ctx.Conn()).hint(fields)
	}
}

// hint sends a 103.
//
// INVARIANT: a connection on which not all of it went out is closed: a reply behind the rest would be read as part of
// it.
func (c *conn) hint(fields []byte) {
	message := make([]byte, 0, len(hintLine)+len(fields)+2)
	message = append(append(append(message, hintLine...), fields...), "\r\n"...)
	err := c.SetWriteDeadline(time.Now().Add(writeStall))
	if err == nil {
		_, err = c.Conn.Write(message)
	}
	if err != nil {
		_ = c.Conn.Close() // whoever reads or writes next gets the error
	}
}
