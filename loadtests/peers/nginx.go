package peers

import (
	"context"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// nginx has one worker. Its cache is files: they lie in memory, and stay open. sendfile is on, which is how it is fastest;
// tcp_nopush is off, since it makes small answers wait. As
// many files stay open as a process may have: all of them, but where memory is measured.
func nginx() contender {
	return contender{
		name: "nginx", version: says("/usr/sbin/nginx", "-v"), files: "cache",
		command: func(_ context.Context, s *stand) ([]string, error) {
			var limit unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
				return nil, fmt.Errorf("how many files may be open: %w", err)
			}
			open := min(200_000, limit.Cur*7/10) // the rest is for connections and for files that are being written
			return []string{"/usr/sbin/nginx", "-e", filepath.Join(s.dir, "error.log"), "-c", filepath.Join(s.dir, "nginx.conf")}, s.write(map[string]string{
				"nginx.conf": fmt.Sprintf(nginxConfig, s.dir, s.port, s.site, limit.Cur, open),
			})
		},
	}
}

const nginxConfig = `user root;
worker_processes 1;
worker_rlimit_nofile %[4]d;
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log warn;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  open_file_cache max=%[5]d inactive=1h;
  open_file_cache_valid 1h;
  open_file_cache_min_uses 1;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  proxy_cache_path %[1]s/cache levels=1:2 keys_zone=all:64m max_size=2g inactive=1d use_temp_path=off;
  server {
    listen 127.0.0.1:%[2]d;
    location / {
      proxy_pass http://%[3]s;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache all;
    }
  }
}
`
