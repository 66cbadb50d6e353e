package endtoend

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// malformed is what a client writes to a connection, and the statuses that are an answer to it.
type malformed struct {
	name   string
	bytes  string
	status []int
}

// malformedRequests are those whose framing, head or target no two servers can be trusted to read alike.
// Each smuggled request, if it were read as one, would be answered too.
func malformedRequests() []malformed {
	const smuggled = "GET /malformed.txt HTTP/1.1\r\nHost: h\r\n\r\n"
	get := func(fields string) string { return "GET /malformed.txt HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" }
	post := func(fields, body string) string {
		return "POST /malformed.txt HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" + body
	}
	bad := []int{400}
	return []malformed{
		{"garbage", "\x00\x01\x02garbage\r\n\r\n", bad},
		{"TLS to a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("a", 64) + "\r\n\r\n", bad},
		{"HTTP/0.9", "GET /malformed.txt\r\n\r\n", bad},
		{"another version", "GET /malformed.txt HTTP/3.0\r\nHost: h\r\n\r\n", []int{400, 505}},
		{"name with a space", get("X Y: 1\r\n"), bad},
		{"space before the colon", get("X-Y : 1\r\n"), bad},
		{"no colon", get("X-Y\r\n"), bad},
		{"control byte in a value", get("X-Y: a\x01b\r\n"), bad},
		{"folded line", get("X-Y: a\r\n b\r\n"), bad},
		{"no Host", "GET /malformed.txt HTTP/1.1\r\n\r\n", bad},
		{"two Hosts", get("Host: g\r\n"), bad},
		{"Host that is none", "GET /malformed.txt HTTP/1.1\r\nHost: a b/c\r\n\r\n", bad},
		{"target without slash", "GET malformed.txt HTTP/1.1\r\nHost: h\r\n\r\n", bad},
		{"huge field", get("X-Y: " + strings.Repeat("a", 100_000) + "\r\n"), []int{431}},
		{"huge target", "GET /" + strings.Repeat("a", 100_000) + " HTTP/1.1\r\nHost: h\r\n\r\n", []int{414, 431}},
		{"length and chunks", post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled), bad},
		{"two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"+smuggled), bad},
		{"negative length", post("Content-Length: -5\r\n", smuggled), bad},
		{"length with a sign", post("Content-Length: +5\r\n", "hello"+smuggled), bad},
		{"unknown coding", post("Transfer-Encoding: gzip\r\n", "hello"+smuggled), []int{400, 501}},
		{"coding in disguise", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+smuggled), []int{400, 501}},
		{"bad chunk", post("Transfer-Encoding: chunked\r\n", "zz\r\nhello\r\n0\r\n\r\n"+smuggled), bad},
		{"chunk with a sign", post("Transfer-Encoding: chunked\r\n", "+5\r\nhello\r\n0\r\n\r\n"+smuggled), bad},
		{"chunk that runs on", post("Transfer-Encoding: chunked\r\n", "3\r\nhello\r\n0\r\n\r\n"+smuggled), bad},
	}
}

// testMalformedRequests sends each to an edge, which must answer with 4xx once and close the connection;
// the next client must be served as ever, by the same way through the tiers.
func testMalformedRequests(t *testing.T, u *up) {
	const content = "what the next client gets"
	u.put(t, "h/malformed.txt", []byte(content))
	for i, m := range malformedRequests() {
		t.Run(m.name, func(t *testing.T) {
			answer := converse(t, u.addr(edgePort), m.bytes)
			wantsRefusal(t, answer, m.status)
			next := get(t, fmt.Sprintf("%s/malformed.txt?%d", u.edge(1), i), "Host: h")
			next.is(t, 200, content)
			next.saysThat(t, "regional-1; fwd=uri-miss", "edge-1; fwd=uri-miss")
		})
	}
	if err := lacksNothing(u.url(edgePort + adminDistance)); err != nil {
		t.Error(err)
	}
}

// wantsRefusal wants one reply with one of the statuses.
func wantsRefusal(t *testing.T, answer []byte, statuses []int) {
	t.Helper()
	if n := bytes.Count(answer, []byte("HTTP/1.1 ")); n != 1 {
		t.Errorf("%d replies, want one:\n%.600s", n, answer)
	}
	for _, status := range statuses {
		if bytes.HasPrefix(answer, fmt.Appendf(nil, "HTTP/1.1 %d ", status)) {
			return
		}
	}
	t.Errorf("want %v, got:\n%.600s", statuses, answer)
}

// converse writes to a new connection and returns what comes back until the other side closes it, which
// it must by then.
func converse(t *testing.T, addr, message string) []byte {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, replyTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		t.Fatal(err)
	}
	// The other side may answer and close before all is written.
	if _, err := io.WriteString(conn, message); err != nil && isTimeout(err) {
		t.Errorf("write: %v", err)
	}
	answer, err := io.ReadAll(conn)
	if isTimeout(err) {
		t.Errorf("the connection stays open after:\n%.200s", answer)
	}
	return answer
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
