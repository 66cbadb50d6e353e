package listener

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// source is a connection on which bytes come in parts of a size.
type source struct {
	net.Conn
	rest []byte
	size int
}

func (s *source) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.size)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// read is a request as it was handed over.
type read struct {
	start, end int    // in what came
	passed     string // what fasthttp saw of it
}

// readAll returns the requests that are handed over whole when raw comes in parts of a size, and why that ends.
func readAll(raw string, size int) (requests []read, err error) {
	return readInto(make([]byte, limitsOf(false).buffer()), raw, size)
}

// readInto is readAll with a buffer of the test's.
func readInto(p []byte, raw string, size int) (requests []read, err error) {
	from := &source{rest: []byte(raw), size: size}
	c := newConn(from, limitsOf(false))
	var now read
	for {
		n, err := c.Read(p)
		now.passed += string(p[:n])
		if err != nil {
			return requests, err
		}
		if c.fresh {
			now.end = len(raw) - len(from.rest) - len(c.held)
			requests = append(requests, now)
			now = read{start: now.end}
		}
	}
}

const (
	head = "POST / HTTP/1.1\r\nHost: h\r\n"
	next = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
)

// Whatever the parts in which the bytes come, a request ends in the same place.
func TestFramer_RequestsEndWhereTheyEnd(t *testing.T) {
	chunked := head + "Transfer-Encoding: chunked\r\n\r\n"
	for _, requests := range [][]string{
		{next, next, next},
		{head + "Content-Length: 5\r\n\r\nhello", next},
		{head + "content-length:\t 000000000000000005 \r\n\r\nhello", next},
		{head + "Content-Length: 0\r\n\r\n", next},
		{head + "\r\n", "\r\n" + next},
		{"GET / HTTP/1.0\r\n\r\n", next},
		{chunked + "5\r\nhello\r\n0\r\n\r\n", next},
		{chunked + "5;a=\"b\\\"\\;c\";d\r\nhel\r\n\r\n000A;e\r\n0123456789\r\n00\r\n\r\n", next},
		{head + "TRANSFER-encoding: CHUNKED\t\r\n\r\n0\r\n\r\n", "\r\n" + next},
		{chunked + "10\r\n" + next[:16] + "\r\n0;x\r\n\r\n", next},
	} {
		raw := strings.Join(requests, "")
		for size := 1; size <= len(raw); size++ {
			got, err := readAll(raw, size)
			if len(got) != len(requests) || err != io.EOF {
				t.Fatalf("%q in parts of %d: %v, %v", raw, size, got, err)
			}
			for i, want := range requests {
				if got[i].passed != strings.TrimPrefix(want, "\r\n") {
					t.Errorf("%q in parts of %d: request %d was handed over as %q", raw, size, i, got[i].passed)
				}
			}
		}
	}
}

// Trailer fields are scanned and not handed over.
func TestFramer_TrailersAreDropped(t *testing.T) {
	raw := head + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-A: 1\r\nAuthorization:\r\n\r\n" + next
	for size := 1; size <= len(raw); size++ {
		got, err := readInto(make([]byte, 1+size%5), raw, len(raw)-size+1)
		if len(got) != 2 || err != io.EOF {
			t.Fatalf("in parts of %d, %d at a time: %v, %v", len(raw)-size, 1+size%5, got, err)
		}
		got, err = readAll(raw, size)
		if want := head + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"; len(got) != 2 || got[0].passed != want || got[1].passed != next || err != io.EOF {
			t.Fatalf("in parts of %d: %v, %v", size, got, err)
		}
	}
}

// The lines of a trailer section do not count as the next request's.
func TestFramer_RequestsBehindTrailers(t *testing.T) {
	lines := strings.Repeat("X: a\r\n", maxLines-1)
	raw := head + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + lines + "\r\n" + "GET /next HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n"
	if got, err := readAll(raw, len(raw)); len(got) != 2 || err != io.EOF {
		t.Errorf("%d requests, %v", len(got), err)
	}
}

// refusals are what must not be handed over whole, and why.
func refusals() map[string]*refusal {
	get := func(lines string) string { return "GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n" }
	chunked := func(body string) string { return head + "Transfer-Encoding: chunked\r\n\r\n" + body }
	long := strings.Repeat("a", maxHeadBytes+1)
	return map[string]*refusal{
		"\n" + next: refusedMethod, "\r\n\r\n" + next: refusedBlank, "\r" + next: refusedLineEnd, " " + next: refusedMethod,
		"\x16\x03\x01\x02": refusedMethod, "GET\x00/ HTTP/1.1\r\nHost: h\r\n\r\n": refusedLine,
		"GET /\r\n": refusedLine, "GET\r\n": refusedLine, "GET  / HTTP/1.1\r\n": refusedTarget, "GET / HTTP/1.1 \r\n": refusedTarget,
		"GET /a b HTTP/1.1\r\n": refusedTarget, "GET\t/ HTTP/1.1\r\n": refusedLine, "GET / HTTP/1.1\n": refusedLineEnd, "GET /\x7f HTTP/1.1\r\n": refusedTarget,
		"G(T / HTTP/1.1\r\n": refusedMethod, "GET / http/1.1\r\n": refusedLine, "GET / HTTP/1.1x\r\n": refusedLine, "GET / HTTP/+1.1\r\n": refusedLine,
		"GET / HTTP/1.2\r\n": refusedVersion, "GET / HTTP/0.9\r\n": refusedVersion, "GET / HTTP/2\r\n": refusedVersion, "GET / HTTP/01.1\r\n": refusedVersion,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": refusedVersion, "GET / HTTP/\r\n": refusedLine, "GET / HTTP/1.\r\n": refusedLine, "GET  HTTP/1.1\r\n": refusedLine,
		get("X: a\n"): refusedLineEnd, get("X: a\r \r\n"): refusedValue, get("X: a\x00\r\n"): refusedValue, get("X: a\x7f\r\n"): refusedValue, get("X: \x0b\r\n"): refusedValue,
		get(" X: a\r\n"): refusedFold, get("\tX: a\r\n"): refusedFold, get("X\r\n"): refusedNoName, get(": a\r\n"): refusedNoName,
		get("X : a\r\n"): refusedName, get("X\t: a\r\n"): refusedName, get("X\x00: a\r\n"): refusedName, get("X\x80: a\r\n"): refusedName, get("\"X\": a\r\n"): refusedName,
		"GET / HTTP/1.1\r\nHost: h\r\n\n": refusedLineEnd, "GET / HTTP/1.1\r\nHost: h\n\r\n": refusedLineEnd, "GET / HTTP/1.1\r\n\r\n": refusedHosts,
		get("host: h\r\n"): refusedHosts, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n": refusedHosts,
		"GET http://h/ HTTP/1.1\r\nHost: a@b\r\n\r\n": refusedHost, "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n": refusedHost, "GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n": refusedHost,
		get("Content-Length: 1\r\nContent-Length: 1\r\n"): refusedLengths, get("Content-Length:\r\n"): refusedLength, get("Content-Length: +1\r\n"): refusedLength,
		get("Content-Length: -1\r\n"): refusedLength, get("Content-Length: 1, 1\r\n"): refusedLength, get("Content-Length: 0x1\r\n"): refusedLength,
		get("Content-Length: 1 1\r\n"): refusedLength, get("Content-Length: 1.0\r\n"): refusedLength, get("Content-Length: 1_0\r\n"): refusedLength,
		get("Content-Length: " + strings.Repeat("0", 18) + "1\r\n"): refusedLength, get("Content-Length: 9223372036854775808\r\n"): refusedLength,
		get("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"): refusedBoth, get("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"): refusedBoth,
		get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"): refusedCodings, get("Transfer-Encoding:\r\n"): refusedCodings, get("Transfer-Encoding: \t\r\n"): refusedCodings,
		get("Transfer-Encoding: chunked, chunked\r\n"): refusedCoding, get("Transfer-Encoding: chun\u212aed\r\n"): refusedCoding, get("Transfer-Encoding: chunked;q=1\r\n"): refusedCoding,
		get("Transfer-Encoding: \"chunked\"\r\n"): refusedCoding, get("Transfer-Encoding: xchunked\r\n"): refusedCoding, get("Transfer-Encoding: chunked,\r\n"): refusedCoding,
		get("Transfer-Encoding: identity\r\n"): refusedCoding, get("Transfer-Encoding: gzip, chunked\r\n"): refusedCoding, get("Transfer-Encoding: \x0bchunked\r\n"): refusedValue,
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n": refusedOldCoding,
		get("Expect: 100-continue\r\nExpect: 100-continue\r\n"): refusedExpect, get("Expect: 200-ok\r\n"): refusedExpect, get("Expect:\r\n"): refusedExpect, get("Expect: 100-continue, x\r\n"): refusedExpect,
		"GET /" + long: refusedLongLine, get("X: " + long + "\r\n"): refusedLongHead, get(strings.Repeat("X: a\r\n", 128)): refusedLines,

		chunked("\r\n"): refusedSize, chunked("g\r\n"): refusedSize, chunked("0x1\r\n"): refusedSize, chunked(" 1\r\n"): refusedSize, chunked("1 \r\n"): refusedSize, chunked("1\t;a\r\n"): refusedSize,
		chunked("-1\r\n"): refusedSize, chunked("+1\r\n"): refusedSize, chunked(";a\r\n"): refusedSize, chunked("1000000000000000\r\n"): refusedSize, chunked("ffffffffffffffff\r\n"): refusedSize,
		chunked("0000000000000001\r\n"): refusedSize, chunked("1_0\r\n"): refusedSize, chunked("1\nx\r\n"): refusedSize, chunked("1\rx\r\n"): refusedLineEnd, chunked("1,\r\n"): refusedSize,
		chunked("1;a\nx\r\n"): refusedExtension, chunked("1;a\rb\r\n"): refusedLineEnd, chunked("1;a=\"\r\nx\r\n0\r\n\r\n"): refusedExtension, chunked("1;a=\"\\\r\n"): refusedExtension,
		chunked("1;\x00\r\n"): refusedExtension, chunked("1;a=\"\n\"\r\n"): refusedExtension, chunked("1;\xff\r\n"): refusedExtension, chunked("1;" + strings.Repeat("a", maxExtension) + "\r\n"): refusedExtension,
		chunked("1\r\nxy\r\n"): refusedData, chunked("1\r\nx\n0\r\n\r\n"): refusedData, chunked("1\r\nx0\r\n\r\n"): refusedData, chunked("1\r\nx\r0\r\n\r\n"): refusedData,
		chunked("0\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"): refusedLineEnd, chunked("0\r\n\r\r\n"): refusedLineEnd, chunked("0\r\nX: a\n\r\n"): refusedLineEnd, chunked("0\r\nX: a\n\nGET"): refusedLineEnd,
		chunked("0\r\nContent-Length: 1\r\n\r\n"): refusedTrailer, chunked("0\r\ntransfer-encoding: chunked\r\n\r\n"): refusedTrailer, chunked("0\r\nHOST: a\r\n\r\n"): refusedTrailer,
		chunked("0\r\nX : a\r\n\r\n"): refusedName, chunked("0\r\n X: a\r\n\r\n"): refusedFold, chunked("0\r\nGET / HTTP/1.1\r\n\r\n"): refusedNoName,
		chunked("0\r\nX: " + long[:maxTrailerBytes] + "\r\n\r\n"): refusedLongTrailers, chunked("0\r\n" + strings.Repeat("X: a\r\n", maxLines+1) + "\r\n"): refusedLongTrailers,
	}
}

func TestFramer_DoubtfulFramingIsRefused(t *testing.T) {
	for raw, want := range refusals() {
		for _, size := range []int{1, 2, 3, 7, len(raw) + len(next)} {
			if size == 1 && len(raw) > 1<<12 {
				continue // much time for little
			}
			got, err := readAll(raw+next, size)
			if len(got) != 0 || err != want {
				t.Errorf("%.80q in parts of %d: %v and then %v, want %v", raw, size, got, err, want)
			}
		}
	}
}

// What is let through of a request that is refused is not whole in fasthttp's eyes either, and at least one byte,
// without which it would not answer.
func TestFramer_RefusedRequestsAreNeverWhole(t *testing.T) {
	for raw := range refusals() {
		c := newConn(&source{rest: []byte(next + raw + next), size: len(raw) + 2*len(next)}, limitsOf(false))
		reader := bufio.NewReaderSize(c, limitsOf(false).buffer())
		var request fasthttp.Request
		if err := request.Read(reader); err != nil || string(request.RequestURI()) != "/next" {
			t.Fatalf("%v %s", err, request.RequestURI())
		}
		if b, _ := reader.Peek(1); len(b) != 1 {
			t.Errorf("%.80q: nothing for fasthttp to answer", raw)
		}
		if err := request.Read(reader); err == nil {
			t.Errorf("%.80q: fasthttp read %q", raw, request.String())
		}
	}
}

// The limits are in reach: a head just below them is read, and those of tiers are higher.
func TestFramer_LargestHead(t *testing.T) {
	for _, fromTiers := range []bool{false, true} {
		l := limitsOf(fromTiers)
		const begin = "GET / HTTP/1.1\r\nHost: h\r\n"
		long := begin + "X: " + strings.Repeat("a", l.bytes-len(begin)-7) + "\r\n\r\n"
		many := begin + strings.Repeat("X: a\r\n", l.lines-1) + "\r\n"
		for want, raw := range map[*refusal]string{refusedLongHead: strings.Replace(long, "X: ", "X: a", 1), refusedLines: strings.Replace(many, "X", "X: b\r\nX", 1)} {
			if _, err := io.Copy(io.Discard, newConn(&source{rest: []byte(raw), size: len(raw)}, l)); err != want {
				t.Errorf("from tiers %t: %v, want %v", fromTiers, err, want)
			}
		}
		endless := strings.Repeat("a", l.bytes)
		for raw, want := range map[string]*refusal{"GET /" + endless: refusedLongLine, begin + "X: " + endless: refusedLongHead} {
			if _, err := io.Copy(io.Discard, newConn(&source{rest: []byte(raw), size: 1000}, l)); err != want {
				t.Errorf("%.40q that does not end: %v, want %v", raw, err, want)
			}
		}
		for _, raw := range []string{long, many} {
			var request fasthttp.Request
			if err := request.Read(bufio.NewReaderSize(newConn(&source{rest: []byte(raw), size: 1000}, l), l.buffer())); err != nil {
				t.Errorf("from tiers %t: %v", fromTiers, err)
			}
		}
	}
}

// An end within a request is an error of its own: fasthttp takes one in the trailer section for the body's end.
func TestFramer_CutRequests(t *testing.T) {
	for _, raw := range []string{"G", head, head + "Content-Length: 2\r\n\r\nx", head + "Transfer-Encoding: chunked\r\n\r\n0\r\n", head + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a"} {
		if got, err := readAll(next+raw, 1); len(got) != 1 || err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v, %v", raw, got, err)
		}
	}
	if got, err := readAll(next+"\r\n", 1); len(got) != 1 || err != io.EOF {
		t.Errorf("an empty line is no request: %v, %v", got, err)
	}
}

// ofNetHTTP reads a request as net/http does.
func ofNetHTTP(raw string) (body string, length int, err error) {
	from := strings.NewReader(raw)
	reader := bufio.NewReader(from)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return "", 0, err
	}
	content, err := io.ReadAll(request.Body)
	return string(content), len(raw) - from.Len() - reader.Buffered(), err
}

// ofFasthttp reads what was handed over as fasthttp does in a listener, without a limit.
func ofFasthttp(passed string) (body string, rest int, err error) {
	from := strings.NewReader(passed)
	reader := bufio.NewReaderSize(from, limitsOf(false).buffer())
	var request fasthttp.Request
	if err := request.Read(reader); err != nil {
		return "", 0, err
	}
	return string(request.Body()), from.Len() + reader.Buffered(), nil
}

// maxFuzzed is the length of the longest input that is looked at.
const maxFuzzed = 2 << 10

// FuzzFramer looks for requests that are handed over although net/http reads another length of them, and for bytes
// that mean something else when they come in other parts.
func FuzzFramer(f *testing.F) {
	for raw := range refusals() {
		if len(raw) < maxFuzzed {
			f.Add(raw, uint8(0))
		}
	}
	for _, raw := range []string{
		head + "Content-Length: 5\r\n\r\nhello" + next,
		head + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nX: a\r\n\r\n" + next,
		"\r\n" + next + "\r\nHEAD http://h:80/?# HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + next,
	} {
		f.Add(raw, uint8(3))
	}
	f.Fuzz(func(t *testing.T, raw string, size uint8) {
		if len(raw) > maxFuzzed {
			return // limits have tests of their own; time is better spent on more inputs
		}
		whole, end := readAll(raw, len(raw)+1)
		parts, endOfParts := readAll(raw, int(size)+1)
		if fmt.Sprint(whole, end) != fmt.Sprint(parts, endOfParts) {
			t.Fatalf("%q\nwhole: %v %v\nin parts of %d: %v %v", raw, whole, end, int(size)+1, parts, endOfParts)
		}
		for _, r := range whole {
			agreed(t, strings.TrimPrefix(raw[r.start:], "\r\n"), r.end-r.start-len(raw[r.start:])+len(strings.TrimPrefix(raw[r.start:], "\r\n")), r.passed)
		}
	})
}

// agreed wants net/http, where it takes the request too, to read the same body and to end in the same place as
// fasthttp does with what was handed over.
func agreed(t *testing.T, raw string, length int, passed string) {
	t.Helper()
	body, rest, err := ofFasthttp(passed)
	if err != nil {
		return // refused after all
	}
	if rest != 0 {
		t.Fatalf("fasthttp left %d bytes of %q", rest, passed)
	}
	wantBody, wantLength, err := ofNetHTTP(raw)
	if err == nil && (body != wantBody || length != wantLength) {
		t.Fatalf("%q: body %q in %d bytes, net/http reads %q in %d", raw, body, length, wantBody, wantLength)
	}
}

// Each byte is found where it is, whatever stands before and behind it.
func TestControl(t *testing.T) {
	for _, around := range []string{"a", " ", "~", "\x80", "\x9f", "\xff", "!"} {
		for at := range 20 {
			for c := range 256 {
				b := []byte(strings.Repeat(around, 20))
				b[at] = byte(c)
				want := -1
				if c < ' ' || c == 0x7f {
					want = at
				}
				if got := control(b); got != want {
					t.Fatalf("%q: %d, want %d", b, got, want)
				}
			}
		}
	}
}

// The scan of a head allocates nothing.
func TestFramer_Allocations(t *testing.T) {
	raw := []byte("GET /some/path?q=1 HTTP/1.1\r\nHost: www.example.test\r\nUser-Agent: a\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\nCookie: a=b\r\n\r\n")
	from := &source{size: len(raw)}
	c, p := newConn(from, limitsOf(false)), make([]byte, limitsOf(false).buffer())
	if n := testing.AllocsPerRun(100, func() {
		from.rest = raw
		if n, err := c.Read(p); err != nil || !bytes.Equal(p[:n], raw) {
			t.Fatal(n, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkFramer_Head(b *testing.B) {
	raw := []byte("GET /some/path?q=1 HTTP/1.1\r\nHost: www.example.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n\r\n")
	from := &source{size: len(raw)}
	c, p := newConn(from, limitsOf(false)), make([]byte, limitsOf(false).buffer())
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		from.rest = raw
		if _, err := c.Read(p); err != nil {
			b.Fatal(err)
		}
	}
}
