package peers

import (
	"context"
	"fmt"
	"path/filepath"
)

// haproxy has one thread, and objects of up to 2 MiB in its cache.
func haproxy() contender {
	return contender{
		name: "haproxy", version: says("/usr/sbin/haproxy", "-v"),
		command: func(_ context.Context, s *stand) ([]string, error) {
			path := filepath.Join(s.dir, "haproxy.cfg")
			return []string{"/usr/sbin/haproxy", "-db", "-f", path}, s.write(map[string]string{"haproxy.cfg": fmt.Sprintf(haproxyConfig, s.port, s.site)})
		},
	}
}

const haproxyConfig = `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 10s
  timeout client 1h
  timeout server 1m
  timeout http-keep-alive 1h
cache all
  total-max-size 2048
  max-object-size 2097152
  max-age 86400
frontend clients
  bind 127.0.0.1:%d
  http-request cache-use all
  http-response cache-store all
  default_backend site
backend site
  server site %s
`
