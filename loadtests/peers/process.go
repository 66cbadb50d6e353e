package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tiercache/loadtests/processes"
)

// processes are the server's: the one that was started, and what that has begun.
func (s *server) processes() map[int]processes.Process {
	all := processes.All()
	own := make(map[int]processes.Process)
	for pid, p := range all {
		if processes.Descends(all, pid, s.cmd.Process.Pid) {
			own[pid] = p
		}
	}
	return own
}

// cpu is what the server has used of its processor.
func (s *server) cpu() (used time.Duration) {
	for _, p := range s.processes() {
		used += p.CPU + p.Waited
	}
	return used
}

// resident is what the server has in memory, in bytes, each page once, with its files in memory.
func (s *server) resident() (bytes int64, err error) {
	for pid := range s.processes() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
				if err != nil {
					return 0, err
				}
				bytes += kib << 10
			}
		}
	}
	if s.c.files == "" {
		return bytes, nil
	}
	err = filepath.Walk(filepath.Join(s.stand.dir, s.c.files), func(_ string, f os.FileInfo, err error) error {
		if err == nil && f.Mode().IsRegular() {
			bytes += (f.Size() + 4095) &^ 4095
		}
		return nil // a file may go while it is looked at
	})
	return bytes, err
}
