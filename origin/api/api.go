// Package api is what the origin's API and its clients both have to know: addresses, JSON documents and
// how a name becomes a path. It owns no behaviour beyond that.
//
// Start reading at Object.
package api

import (
	"strings"
	"time"
)

// Prefix starts the path of every request to the API: Prefix, host, and for one object its path.
const Prefix = "/v1/objects/"

// MaxPage is the most objects that one page of a listing has.
const MaxPage = 5000

// Object describes one version of an object.
type Object struct {
	Host         string            `json:"host"`
	Path         string            `json:"path"` // percent-encoded, as a request has it
	Version      int64             `json:"version"`
	Size         int64             `json:"size"` // bytes
	ETag         string            `json:"etag,omitempty"`
	SHA256       string            `json:"sha256,omitempty"` // of the body, hexadecimal
	LastModified time.Time         `json:"last_modified"`
	Fields       map[string]string `json:"fields,omitempty"`    // response fields stored with it
	Ended        *time.Time        `json:"ended,omitempty"`     // when it stopped being current
	Deleted      bool              `json:"deleted,omitempty"`   // the version records a delete
	Unchanged    bool              `json:"unchanged,omitempty"` // answer to a PUT: all of it was there already
}

// Listing is a page of a host's objects, or all kept versions of one.
type Listing struct {
	Objects []Object `json:"objects"`
	Next    string   `json:"next,omitempty"` // the after of the next page; absent: this is the last
}

// Problem is the body of each error (RFC 9457).
type Problem struct {
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`               // what is wrong and what to do
	RequestID string `json:"request_id,omitempty"` // to be found in the origin's log
}

// EscapePath turns a file's name, slashes included, into the path of a URL: every byte that may not
// stand in a path segment (RFC 3986, 3.3) is percent-encoded, a percent sign included. That is the form
// in which browsers and curl send such a name.
func EscapePath(name string) string { return escape(name, false) }

// RepairPath is EscapePath for a path that somebody typed or pasted: a percent sign with two
// hexadecimal digits behind it stays as it is.
func RepairPath(path string) string { return escape(path, true) }

const hexDigits = "0123456789ABCDEF"

func escape(s string, keepEscapes bool) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case isPathByte(c), keepEscapes && c == '%' && len(s) > i+2 && isHex(s[i+1]) && isHex(s[i+2]):
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

// isPathByte reports whether c is a pchar other than a percent sign, or a slash.
func isPathByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
