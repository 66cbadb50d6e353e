package framing

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// patience is how long a server may take for a conversation. Nothing waits for it but a failure: each one ends
// when the server has closed, and the client's end of the connection says at once that nothing more will come.
const patience = 20 * time.Second

// item is one thing that a server says on a connection: that it took a request, or a status of its own.
type item struct {
	reading *reading
	status  int
}

// verdict is all that a server said before it closed. Empty: it closed without a word, as it does when it waits for
// more than there is.
type verdict []item

// accepted reports whether the request itself was taken, whole.
func (v verdict) accepted() bool { return len(v) > 0 && v[0].reading != nil && !v[0].reading.Short }

// waits reports whether the server takes what it got for the beginning of a request.
func (v verdict) waits() bool {
	return len(v) == 0 || v[0].reading != nil && v[0].reading.Short
}

// refused reports whether the server answered with a status of its own, and with nothing behind it.
func (v verdict) refused() bool { return len(v) == 1 && v[0].status >= 400 }

// String is what the table has: what was read and the statuses, in order. The numbers of requests are left out,
// since they change with the table.
func (v verdict) String() string {
	if len(v) == 0 {
		return "waits"
	}
	var said []string
	for _, i := range v {
		switch r := i.reading; {
		case r == nil:
			said = append(said, strconv.Itoa(i.status))
		case r.Short:
			said = append(said, "waits")
		default:
			said = append(said, fmt.Sprintf("%s %s %s %d", quoted(r.Method), quoted(numbered.ReplaceAllString(r.Target, "-")), quoted(numbered.ReplaceAllString(r.Host, "-")), r.Length))
		}
	}
	return strings.Join(said, " | ")
}

// quoted makes text fit for a column.
func quoted(text string) string {
	if text == "" {
		return `""`
	}
	if plain := strconv.Quote(text); plain[1:len(plain)-1] != text || strings.ContainsAny(text, " |") {
		text = plain
	}
	if len(text) > 80 {
		text = text[:60] + "..." + strconv.Itoa(len(text))
	}
	return text
}

// converse sends raw bytes and ends its half of the connection, then reads until the server has closed.
func converse(addr, raw string) (verdict, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // all was read
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	go func() {
		// A server may refuse and close before it has all; what it says then is read all the same.
		if _, err := io.WriteString(conn, raw); err == nil {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	return listen(bufio.NewReader(conn), strings.HasPrefix(strings.TrimLeft(raw, "\r\n"), "HEAD"))
}

// listen reads replies until the connection ends. head says that the first one is to HEAD.
func listen(reader *bufio.Reader, head bool) (verdict, error) {
	var v verdict
	for {
		start, err := reader.Peek(5)
		switch {
		case len(start) == 0 && closed(err):
			return v, nil
		case string(start) == "readi": // HTTP/0.9 has no head
			text, err := io.ReadAll(reader)
			if err != nil && !closed(err) {
				return v, err
			}
			r, err := decodeReading(strings.TrimSpace(strings.TrimPrefix(string(text), readingMark)))
			return append(v, item{reading: r}), err
		case err != nil:
			return v, fmt.Errorf("%q and then %w", start, err)
		}
		reply, err := readReply(reader, head && len(v) == 0)
		if err != nil {
			return v, err
		}
		if reply.status >= 200 || reply.reading != nil {
			v = append(v, reply)
		}
	}
}

// closed reports whether the server has ended the connection. One that closes while bytes come resets it.
func closed(err error) bool {
	var reset *net.OpError
	return errors.Is(err, io.EOF) || errors.As(err, &reset) && !reset.Timeout()
}

func readReply(reader *bufio.Reader, head bool) (item, error) {
	text := textproto.NewReader(reader)
	line, err := text.ReadLine()
	if err != nil {
		return item{}, err
	}
	fields, err := text.ReadMIMEHeader()
	if err != nil {
		return item{}, fmt.Errorf("%q: %w", line, err)
	}
	_, rest, _ := strings.Cut(line, " ")
	status, _, _ := strings.Cut(rest, " ")
	reply := item{}
	if reply.status, err = strconv.Atoi(status); err != nil {
		return item{}, fmt.Errorf("status line %q", line)
	}
	if encoded := fields.Get(readingField); encoded != "" {
		if reply.reading, err = decodeReading(encoded); err != nil {
			return item{}, err
		}
	}
	return reply, skipBody(reader, http.Header(fields), reply, head)
}

// skipBody reads a reply's body. Servers do send one to a HEAD that they refuse, and close.
func skipBody(reader *bufio.Reader, h http.Header, reply item, head bool) error {
	length := h.Get("Content-Length")
	switch {
	case reply.status < 200 || reply.status == http.StatusNoContent || head && reply.reading != nil:
		return nil
	case h.Get("Transfer-Encoding") == "chunked":
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				return err
			}
			n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
			if err != nil {
				return err
			}
			if _, err := reader.Discard(int(n) + len("\r\n")); err != nil || n == 0 {
				return err
			}
		}
	case h.Get("Connection") == "close" && (head || length == ""):
		_, err := io.Copy(io.Discard, reader)
		if closed(err) {
			err = nil
		}
		return err
	case head || length == "":
		return nil
	}
	n, err := strconv.Atoi(length)
	if err != nil {
		return err
	}
	_, err = reader.Discard(n)
	return err
}
