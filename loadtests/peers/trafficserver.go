package peers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// trafficServer has one event thread and a RAM cache that holds everything; the disk that it insists on is a file in
// memory.
func trafficServer() contender {
	return contender{
		name: "trafficserver", version: says("/usr/bin/traffic_server", "--version"),
		command: func(ctx context.Context, s *stand) ([]string, error) {
			root := filepath.Join(s.dir, "root")
			if out, err := exec.CommandContext(ctx, "/usr/bin/traffic_layout", "init", "--force", "--copy-style=full", "--path="+root).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("traffic_layout: %w\n%s", err, out)
			}
			config, err := configFolder(root)
			if err != nil {
				return nil, err
			}
			name, err := filepath.Rel(s.dir, config)
			if err != nil {
				return nil, err
			}
			return []string{"/usr/bin/traffic_server", "--run-root=" + root}, s.write(map[string]string{
				filepath.Join(name, "records.config"): fmt.Sprintf(trafficServerConfig, s.port),
				filepath.Join(name, "storage.config"): filepath.Join(s.dir, "storage") + " 2G\n",
				filepath.Join(name, "remap.config"):   "map / http://" + s.site + "/\n",
				"storage/empty":                       "",
			})
		},
	}
}

// configFolder is where the layout has its configuration.
func configFolder(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "runroot.yaml"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if folder, ok := strings.CutPrefix(strings.TrimSpace(line), "sysconfdir:"); ok {
			return strings.Trim(strings.TrimSpace(folder), `"'`), nil
		}
	}
	return "", fmt.Errorf("%s/runroot.yaml names no sysconfdir", root)
}

const trafficServerConfig = `CONFIG proxy.config.http.server_ports STRING %d:ip-in=127.0.0.1
CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.accept_threads INT 0
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.cache.ram_cache.size INT 1073741824
CONFIG proxy.config.cache.ram_cache_cutoff INT 4194304
CONFIG proxy.config.cache.ram_cache.use_seen_filter INT 0
CONFIG proxy.config.http.keep_alive_no_activity_timeout_in INT 3600
CONFIG proxy.config.http.transaction_no_activity_timeout_in INT 3600
CONFIG proxy.config.url_remap.remap_required INT 1
CONFIG proxy.config.reverse_proxy.enabled INT 1
`
