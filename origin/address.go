package origin

import (
	"fmt"
	"net/netip"
	"strings"

	"tiercache/shared/policy"
)

// Limits of an Address, in bytes. maxHost is the longest name that DNS has.
const (
	maxPath = 4 << 10
	maxHost = 253
)

// AnyHost as an Address's host serves every host that has no object of its own at that path.
const AnyHost = "*"

// Address names an object. Host is in lower case without a port, or AnyHost. Path starts with a slash
// and is the path of the request target as received: still percent-encoded, never normalised, so that
// /a%2Fb, /a/b and //a/b are three objects, as they are to any cache in front.
type Address struct {
	Host, Path string
}

// String is host and path, as the client commands write it.
func (a Address) String() string { return a.Host + a.Path }

// NewAddress checks host and path and returns the Address; a host's upper case is lowered. The error
// says what to do about it.
func NewAddress(host, path string) (Address, error) {
	host, err := CheckHost(host)
	if err != nil {
		return Address{}, err
	}
	if err := checkPath(path); err != nil {
		return Address{}, err
	}
	return Address{Host: host, Path: path}, nil
}

// CheckHost returns host in lower case and without a final dot if it is AnyHost, a host name or an IP address (IPv6 in
// brackets), without a port. Underscores are allowed, as DNS allows them.
func CheckHost(host string) (string, error) {
	host = strings.ToLower(policy.TrimRoot(host))
	switch {
	case host == AnyHost:
		return host, nil
	case host == "":
		return "", fmt.Errorf("the host is empty: name a host or %q for any", AnyHost)
	case len(host) > maxHost:
		return "", fmt.Errorf("the host has %d bytes, the limit is %d", len(host), maxHost)
	case host[0] == '[':
		return checkIPv6(host)
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return "", fmt.Errorf("host %q is not a host name without a port", host)
		}
	}
	return host, nil
}

func checkIPv6(host string) (string, error) {
	if inner, ok := strings.CutSuffix(host[1:], "]"); ok {
		if ip, err := netip.ParseAddr(inner); err == nil && ip.Is6() && ip.Zone() == "" {
			return host, nil
		}
	}
	return "", fmt.Errorf("host %q is not an IPv6 address in brackets without a port", host)
}

// isLabel reports whether s can stand between two dots of a lower-case host name.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// checkPath refuses what some client, cache or server on the way would change or could not send, so
// that a stored path is one that requests can really carry.
func checkPath(path string) error {
	switch {
	case path == "" || path[0] != '/':
		return fmt.Errorf("path %q does not start with a slash", path)
	case len(path) > maxPath:
		return fmt.Errorf("the path has %d bytes, the limit is %d", len(path), maxPath)
	}
	if err := checkPathBytes(path); err != nil {
		return err
	}
	for segment := range strings.SplitSeq(path, "/") {
		if isDotSegment(segment) {
			return fmt.Errorf("path %q has the segment %q, which clients resolve before they send it: write the path without it", path, segment)
		}
	}
	return nil
}

func checkPathBytes(path string) error {
	for i := range len(path) {
		c := path[i]
		switch {
		case c <= ' ' || c >= 0x7f || c == '#' || c == '?':
			return fmt.Errorf("path %q has the byte 0x%02x at %d: percent-encode it as %%%02X", path, c, i, c)
		case c == '%' && !isEscape(path[i:]):
			return fmt.Errorf("path %q has a %% at %d that two hexadecimal digits do not follow: write %%25 for a percent sign", path, i)
		case c == '%' && path[i+1] == '0' && path[i+2] == '0':
			return fmt.Errorf("path %q has a NUL (%%00), which no path may have", path)
		}
	}
	return nil
}

// isEscape reports whether s starts with a whole percent-encoded byte.
func isEscape(s string) bool { return len(s) >= 3 && isHex(s[1]) && isHex(s[2]) }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// isDotSegment reports whether a URL parser takes the segment for "." or "..", also when the dots are
// encoded.
func isDotSegment(segment string) bool {
	if len(segment) > len("%2e%2e") {
		return false
	}
	plain := strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
	return plain == "." || plain == ".."
}
