package framing

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// readingField carries to the client what a server took its request for, readingMark what one of HTTP/0.9 gets.
const (
	readingField = "X-Reading"
	readingMark  = "reading "
)

// reading is what a server takes a request for.
type reading struct {
	Method string
	Target string // in origin-form
	Host   string // lower-case, without port
	Length int    // of the body
	Digest string // of the body
	Short  bool   // the body was to be longer: more bytes were waited for
}

func (r *reading) encode() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers
	}
	return base64.StdEncoding.EncodeToString(text)
}

func decodeReading(text string) (*reading, error) {
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	r := new(reading)
	return r, json.Unmarshal(plain, r)
}

// newReading makes requests of different servers comparable. The authority of a target goes before Host
// (RFC 9112, 3.2.2).
func newReading(method, target, host string, body []byte) reading {
	for _, scheme := range []string{"http://", "https://"} {
		if len(target) > len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			rest := target[len(scheme):]
			end := strings.IndexAny(rest+"/", "/?#")
			if authority := rest[:end]; authority != "" {
				host = authority[strings.LastIndexByte(authority, '@')+1:]
			}
			target = rest[end:]
		}
	}
	if !strings.HasPrefix(target, "/") && target != "*" {
		target = "/" + target
	}
	host = strings.ToLower(host)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Trim(host[i+1:], "0123456789") == "" {
		host = host[:i]
	}
	if host = strings.TrimSuffix(host, "."); host == "none" { // nginx does not tell the dot, and calls no host so
		host = ""
	}
	return reading{Method: method, Target: target, Host: host, Length: len(body), Digest: digest(body)}
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return fmt.Sprintf("%x", sum[:6])
}

// recorder is an upstream that keeps what it is sent, by the numbers in the targets, and answers with what it
// read. It takes only requests in good form: a tier must send no others, whatever it was sent.
type recorder struct {
	url   string
	field *regexp.Regexp // the form of a field line

	mu       sync.Mutex
	requests map[string][]reading
	broken   []string // requests that are not in good form
}

var numbered = regexp.MustCompile(`-(\d+)-`)

func newRecorder(t *testing.T, field *regexp.Regexp) *recorder {
	t.Helper()
	r := &recorder{field: field, requests: map[string][]reading{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url = "http://" + l.Addr().String()
	var serving sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{} // nil once the test is over
	t.Cleanup(serving.Wait)
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for conn := range open {
			_ = conn.Close() // ends its goroutine
		}
		open = nil
	})
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if open == nil {
				_ = conn.Close()
			} else {
				open[conn] = true
				serving.Go(func() { r.serve(conn) })
			}
			mu.Unlock()
		}
	})
	return r
}

// serve answers the requests of a connection.
func (r *recorder) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }() // what was answered is what tests look at
	for reader := bufio.NewReader(conn); ; {
		got, err := r.read(reader)
		if err != nil {
			if errors.Is(err, errForm) {
				r.complain("%v", err)
			}
			return // else the tier gave up, as it must when the client's body breaks off
		}
		r.record(got)
		text := got.encode()
		reply := fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nCache-Control: no-store\r\n%s: %s\r\nContent-Length: %d\r\n\r\n", readingField, text, len(readingMark)+len(text)+1)
		if got.Method != http.MethodHead {
			reply += readingMark + text + "\n"
		}
		if _, err := io.WriteString(conn, reply); err != nil {
			return
		}
	}
}

// record keeps a request under its number.
func (r *recorder) record(got reading) {
	id := numbered.FindStringSubmatch(got.Target + got.Host)
	if id == nil {
		r.complain("a request without a number: %v", got)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests[id[1]] = append(r.requests[id[1]], got)
}

func (r *recorder) complain(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = append(r.broken, fmt.Sprintf(format, args...))
}

// of returns the requests with that number in their targets.
func (r *recorder) of(number int) []reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests[strconv.Itoa(number)]
}

// errForm is wrapped by what is wrong with a request by the letter of RFC 9112.
var errForm = errors.New("not in good form")

var (
	goodLine  = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^\\x00-\\x20\\x7f]+) HTTP/1\\.[01]\r\n$")
	goodField = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([^\\x00-\\x08\\x0a-\\x1f\\x7f]*)\r\n$")
	anyField  = regexp.MustCompile("(?s)^([^:]+): ?(.*)\r\n$") // of others: nginx passes control bytes on
	goodChunk = regexp.MustCompile("^([0-9a-fA-F]+)\r\n$")
)

// read reads a request that has nothing odd.
func (r *recorder) read(reader *bufio.Reader) (reading, error) {
	line, err := matched(reader, goodLine)
	if err != nil {
		return reading{}, err
	}
	fields := map[string][]string{}
	for {
		if end, err := reader.Peek(2); err != nil {
			return reading{}, err
		} else if string(end) == "\r\n" {
			break
		}
		field, err := matched(reader, r.field)
		if err != nil {
			return reading{}, err
		}
		name := strings.ToLower(field[1])
		fields[name] = append(fields[name], field[2])
	}
	if _, err := reader.Discard(2); err != nil {
		return reading{}, err
	}
	if target := fields["x-target"]; target != nil {
		line[2] = target[0]
	}
	switch framings := len(fields["content-length"]) + len(fields["transfer-encoding"]); {
	case len(fields["host"]) != 1 || framings > 1:
		return reading{}, fmt.Errorf("%w: %q %q", errForm, line, fields)
	case len(fields["upgrade"])+len(fields["expect"])+len(fields["te"])+len(fields["trailer"])+len(fields["keep-alive"])+len(fields["proxy-connection"]) > 0:
		return reading{}, fmt.Errorf("%w: a field of the client's connection in %q", errForm, fields)
	}
	body, err := strictBody(reader, fields)
	return newReading(line[1], line[2], fields["host"][0], body), err
}

// matched reads a line of a form.
func matched(reader *bufio.Reader, form *regexp.Regexp) ([]string, error) {
	line, err := reader.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if parts := form.FindStringSubmatch(line); parts != nil {
		return parts, nil
	}
	return nil, fmt.Errorf("%w: line %.200q", errForm, line)
}

func strictBody(reader *bufio.Reader, fields map[string][]string) (body []byte, err error) {
	if length := fields["content-length"]; length != nil {
		n, err := strconv.ParseUint(length[0], 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != length[0] {
			return nil, fmt.Errorf("%w: length %q", errForm, length)
		}
		body = make([]byte, n)
		_, err = io.ReadFull(reader, body)
		return body, err
	}
	coding := fields["transfer-encoding"]
	if coding == nil {
		return nil, nil
	}
	if coding[0] != "chunked" {
		return nil, fmt.Errorf("%w: coding %q", errForm, coding)
	}
	for {
		size, err := matched(reader, goodChunk)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(size[1], 16, 31)
		if err != nil {
			return nil, fmt.Errorf("%w: chunk %q", errForm, size)
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(reader, chunk); err != nil {
			return nil, err
		}
		if string(chunk[n:]) != "\r\n" {
			return nil, fmt.Errorf("%w: chunk ends with %q", errForm, chunk[n:])
		}
		if body = append(body, chunk[:n]...); n == 0 {
			return body, nil
		}
	}
}
