package tier

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"

	"tiercache/shared/httpcache"
	"tiercache/shared/proxy"
)

// maxInterims bounds the interim responses before a final one. A node of ours sends a few.
const maxInterims = 32

// errInterims: the node sends nothing else.
var errInterims = errors.New("too many interim responses")

// lease is a connection of the pool while one exchange has it.
type lease struct {
	conn *progressConn
	end  func(keep bool) // gives the connection back, for further requests when keep is set; called once
	once bool            // the response, or the request, says that it ends with this exchange
}

// give ends the lease. usable says that all of the response was read.
func (l *lease) give(usable bool) { l.end(usable && !l.once) }

// exchange sends the request and reads the response's head; the body is read from the response, and the caller ends
// the lease. hint is given the fields of each 103 before that.
//
// fasthttp's own transport skips interim responses unseen, and repeats a request that a node is too slow to answer,
// which doubles the wait, and the load of a node that has too much of it already. Here it is repeated only when its
// connection turned out closed: it was kept from an earlier request, and ended before anything of a response came.
func (h *host) exchange(request *fasthttp.Request, response *fasthttp.Response, hint func(httpcache.Fields)) (*lease, error) {
	for attempt := 1; ; attempt++ {
		l, err := h.try(request, response, hint)
		if err == nil {
			return l, nil
		}
		if l == nil || attempt == attempts || isTimeout(err) || !l.conn.keptAndClosed() {
			return nil, err
		}
		// A node that was restarted has none of the connections that are kept: the next attempt needs a new one.
		h.CloseIdleConnections()
	}
}

// try is one attempt. With an error the lease has ended; it is nil when there was no connection.
func (h *host) try(request *fasthttp.Request, response *fasthttp.Response, hint func(httpcache.Fields)) (*lease, error) {
	held, err := h.AcquireConn(0, request.ConnectionClose())
	if err != nil {
		return nil, err
	}
	conn := held.Conn().(*progressConn) // dialer makes no other
	reader := h.AcquireReader(conn)
	l := &lease{conn: conn, once: request.ConnectionClose()}
	l.end = func(keep bool) {
		// What has come behind the response answers no request, and must not be taken for the answer to the next.
		keep = keep && reader.Buffered() == 0
		h.ReleaseReader(reader)
		if keep {
			h.ReleaseConn(held)
		} else {
			h.CloseConn(held)
		}
	}
	if err = h.send(conn, request); err == nil {
		err = readHead(reader, conn, response, hint)
	}
	if err == nil && hasBody(response) {
		err = response.ReadBody(reader, 0) // as a stream: nothing is read yet
	}
	if err != nil {
		l.end(false)
		return l, err
	}
	l.once = l.once || response.ConnectionClose()
	return l, nil
}

func (h *host) send(conn *progressConn, request *fasthttp.Request) error {
	w := h.AcquireWriter(conn)
	defer h.ReleaseWriter(w)
	if err := request.Write(w); err != nil {
		return err
	}
	return w.Flush()
}

// readHead reads heads up to that of the final response. An interim response has no content, whatever its fields say:
// behind its head begins the next response (RFC 9112, 6.3).
func readHead(reader *bufio.Reader, conn *progressConn, response *fasthttp.Response, hint func(httpcache.Fields)) error {
	for range maxInterims {
		if err := response.Header.Read(reader); err != nil {
			return err
		}
		status := response.StatusCode()
		if status < 100 || status > 199 || status == fasthttp.StatusSwitchingProtocols {
			return nil
		}
		if status == fasthttp.StatusEarlyHints && hint != nil {
			hint(fieldsOf(&response.Header))
		}
		if reader.Buffered() == 0 {
			conn.interim()
		}
	}
	return fmt.Errorf("%w: %w", proxy.ErrProtocol, errInterims)
}

// hasBody reports whether a response to this request has content (RFC 9112, 6.3).
func hasBody(response *fasthttp.Response) bool {
	switch response.StatusCode() {
	case fasthttp.StatusSwitchingProtocols, fasthttp.StatusNoContent, fasthttp.StatusNotModified:
		return false
	}
	return !response.SkipBody
}

// fieldsOf copies a head's fields.
func fieldsOf(h *fasthttp.ResponseHeader) httpcache.Fields {
	var list httpcache.Fields
	for name, value := range h.All() {
		list = append(list, httpcache.Field{Name: string(name), Value: string(value)})
	}
	return list
}
