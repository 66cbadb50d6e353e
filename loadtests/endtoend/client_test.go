package endtoend

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// replyTimeout is when a client gives up on a reply: far above what any test allows, so that a test that
// fails says how long it took.
const replyTimeout = 40 * time.Second

// errCut says that a reply's body ended before its end.
var errCut = errors.New("the body was cut")

// newClient is a client with connections of its own that changes nothing: it follows no redirect, adds no
// Accept-Encoding and has no cookies.
func newClient() *http.Client {
	return &http.Client{
		Timeout:       replyTimeout,
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8, ExpectContinueTimeout: time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// quick is a client for one request that must not take long.
func quick() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

// reply is a response that was read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// says reports whether the reply's Cache-Status has this text.
func (r reply) says(text string) bool { return strings.Contains(r.cacheStatus(), text) }

func (r reply) cacheStatus() string { return strings.Join(r.header.Values("Cache-Status"), ", ") }

// is fails the test unless the reply has this status and body.
func (r reply) is(t *testing.T, status int, body string) {
	t.Helper()
	if r.status != status || string(r.body) != body {
		t.Errorf("got %d and %d bytes beginning %.80q (%s), want %d and %d bytes beginning %.80q",
			r.status, len(r.body), r.body, r.cacheStatus(), status, len(body), body)
	}
}

// saysThat fails the test unless Cache-Status has each text.
func (r reply) saysThat(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !r.says(text) {
			t.Errorf("Cache-Status is %q, want %q in it", r.cacheStatus(), text)
		}
	}
}

// request is what a test asks for; fields are "Name: value", also for Host.
type request struct {
	method, url string
	fields      []string
	body        io.Reader
}

// send sends the request and reads the whole reply. An error that wraps errCut comes with the reply so far.
func (q request) send(client *http.Client) (reply, error) {
	if q.method == "" {
		q.method = http.MethodGet
	}
	message, err := http.NewRequest(q.method, q.url, q.body)
	if err != nil {
		return reply{}, err
	}
	if body, ok := q.body.(sized); ok {
		message.ContentLength = body.length
	}
	for _, field := range q.fields {
		if name, value, _ := strings.Cut(field, ": "); name == "Host" {
			message.Host = value
		} else {
			message.Header.Add(name, value)
		}
	}
	response, err := client.Do(message)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	r := reply{status: response.StatusCode, header: response.Header}
	if r.body, err = io.ReadAll(response.Body); err != nil {
		return r, fmt.Errorf("%w: %w", errCut, err)
	}
	return r, nil
}

// get fetches url with the given fields over a new connection; a reply that is not whole fails the test.
func get(t *testing.T, url string, fields ...string) reply {
	t.Helper()
	return sendWhole(t, request{url: url, fields: fields})
}

// sendWhole sends the request; a reply that is not whole fails the test.
func sendWhole(t *testing.T, q request) reply {
	t.Helper()
	client := newClient()
	defer client.CloseIdleConnections()
	r, err := q.send(client)
	if err != nil {
		t.Fatalf("%s: %v", q.url, err)
	}
	return r
}

// pattern is n bytes that differ by seed and do not compress.
func pattern(n int, seed uint64) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	b := make([]byte, n)
	_, _ = source.Read(b) // never fails
	return b
}

// same fails the test when got is not want, without printing either.
func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes that are not the %d wanted", what, len(got), len(want))
	}
}
