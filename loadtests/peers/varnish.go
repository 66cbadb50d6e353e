package peers

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
)

// varnish has its objects in malloc, its built-in rules and one pool of threads. What it logs goes to shared memory, as
// always; nobody reads it.
func varnish() contender {
	return contender{
		name: "varnish", version: says("/usr/sbin/varnishd", "-V"),
		command: func(_ context.Context, s *stand) ([]string, error) {
			host, port, err := net.SplitHostPort(s.site)
			if err != nil {
				return nil, err
			}
			return []string{
					"/usr/sbin/varnishd", "-F", "-j", "none", "-a", fmt.Sprintf("127.0.0.1:%d", s.port), "-T", "none", "-f", filepath.Join(s.dir, "site.vcl"),
					"-s", "malloc,2g", "-n", filepath.Join(s.dir, "state"), "-p", "thread_pools=1", "-p", "timeout_idle=3600",
				}, s.write(map[string]string{
					"site.vcl": fmt.Sprintf("vcl 4.1;\nbackend default { .host = %q; .port = %q; }\n", host, port),
				})
		},
	}
}
