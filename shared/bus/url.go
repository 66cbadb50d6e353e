package bus

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// ErrURL says that a list of servers cannot be used. It repeats none: they may have passwords in them.
var ErrURL = errors.New("it is not of the form nats://host:port, several separated by commas; percent-encode what is special in a password")

// ValidURL reports whether Connect would take a list of servers. A server may come without a scheme. Errors: ErrURL.
func ValidURL(list string) error {
	for server := range strings.SplitSeq(list, ",") {
		server = strings.TrimSpace(server)
		if !strings.Contains(server, "://") {
			server = "nats://" + server
		}
		u, err := url.Parse(server)
		// A path is what follows a slash in a password, whose first part then was taken for the port.
		if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" ||
			!slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return ErrURL
		}
	}
	return nil
}

// withoutURL keeps an error of the library from quoting a server's URL.
func withoutURL(err error) error {
	var quoting *url.Error
	if errors.As(err, &quoting) {
		return ErrURL
	}
	return err
}
