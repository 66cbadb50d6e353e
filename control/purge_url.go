package control

import (
	"errors"
	"fmt"
	"strings"

	"tiercache/shared/controllog"
	"tiercache/shared/policy"
)

const (
	// maxURL bounds a URL, in bytes: no node takes a longer request.
	maxURL = 16 << 10

	// anyHost stands for the objects that the origin serves on every host.
	anyHost = "*"
)

// Errors of URLs in purges.
var (
	errNotAbsolute = errors.New("it is no absolute URL: write http://host/path")
	errFragment    = errors.New("it has a fragment, which no request has")
	errUserInfo    = errors.New("it has a user name, which no request has")
	errURLBytes    = errors.New("it has a space, a control character or a byte that is not ASCII: write it as the request has it, percent-encoded")
	errLongURL     = fmt.Errorf("it is longer than %d bytes", maxURL)
	errAnyQuery    = errors.New("a path on any host has no query: it stands for all of them")
)

// purgeURL reads an absolute URL as a cache key has it: path and query byte for byte, since that is how a
// request names them. An empty path is "/".
func purgeURL(s string) (controllog.URL, error) {
	u, err := splitURL(s)
	switch {
	case err != nil:
		return controllog.URL{}, err
	case u.Host == anyHost && u.Query != "":
		return controllog.URL{}, errAnyQuery
	}
	return u, nil
}

// purgePrefix reads an absolute URL of a directory.
func purgePrefix(s string) (controllog.URL, error) {
	u, err := splitURL(s)
	switch {
	case err != nil:
		return controllog.URL{}, err
	case u.Host == anyHost:
		return controllog.URL{}, errors.New("a prefix belongs to one host")
	case u.Query != "":
		return controllog.URL{}, errors.New("a prefix has no query")
	case !strings.HasSuffix(u.Path, "/"):
		return controllog.URL{}, errors.New("a prefix ends with /")
	}
	return u, nil
}

func splitURL(s string) (controllog.URL, error) {
	if len(s) > maxURL {
		return controllog.URL{}, errLongURL
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return controllog.URL{}, errURLBytes
		}
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if scheme = strings.ToLower(scheme); !ok || scheme != "http" && scheme != "https" {
		return controllog.URL{}, errNotAbsolute
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, target := rest[:end], rest[end:]
	switch {
	case strings.ContainsRune(target, '#'):
		return controllog.URL{}, errFragment
	case strings.ContainsRune(authority, '@'):
		return controllog.URL{}, errUserInfo
	}
	path, query := target, ""
	if i := strings.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i:]
	}
	if path == "" {
		path = "/"
	}
	host, err := hostOf(authority)
	return controllog.URL{Host: host, Path: path, Query: query}, err
}

// hostOf is an authority's host in lower case, without its port and final dot; "*" stays.
func hostOf(authority string) (string, error) {
	host := authority
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		if strings.Trim(host[i+1:], "0123456789") != "" {
			return "", fmt.Errorf("%.80q has no valid port", authority)
		}
		host = host[:i]
	}
	host = strings.ToLower(policy.TrimRoot(host))
	if host != anyHost && !policy.ValidHost(host) {
		return "", fmt.Errorf("%.80q is not a host", authority)
	}
	return host, nil
}

// purgeHost reads a host.
func purgeHost(s string) (string, error) {
	host, err := hostOf(s)
	if err == nil && host == anyHost {
		err = errors.New("use all to purge everything")
	}
	return host, err
}
