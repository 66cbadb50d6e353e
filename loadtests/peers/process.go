package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc: USER_HZ, which is 100 on Linux.
const clockTick = 10 * time.Millisecond

// processes are the server's: those of its process group, and what they have begun.
func (s *server) processes() (pids []int) {
	parents := map[int]int{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // no error with this pattern
	for _, path := range paths {
		if pid, fields := stat(path); len(fields) > 1 {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	for pid := range parents {
		for at := pid; at > 1; at = parents[at] {
			if at == s.cmd.Process.Pid {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

// stat reads a line of /proc: the process, and what is behind its name, which may have anything in it.
func stat(path string) (pid int, fields []string) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, nil // it has ended
	}
	text := string(b)
	pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(path)))
	return pid, strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
}

// cpu is what the server has used of its processor.
func (s *server) cpu() (used time.Duration) {
	for _, pid := range s.processes() {
		if _, fields := stat(fmt.Sprintf("/proc/%d/stat", pid)); len(fields) > 12 {
			user, _ := strconv.Atoi(fields[11])
			system, _ := strconv.Atoi(fields[12])
			used += time.Duration(user+system) * clockTick
		}
	}
	return used
}

// resident is what the server has in memory, in bytes, each page once, with its files in memory.
func (s *server) resident() (bytes int64, err error) {
	for _, pid := range s.processes() {
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
	err = filepath.Walk(s.files(), func(_ string, f os.FileInfo, err error) error {
		if err == nil && f.Mode().IsRegular() {
			bytes += (f.Size() + 4095) &^ 4095
		}
		return nil // a file may go while it is looked at
	})
	return bytes, err
}

// files is where the server keeps objects in files, if it does.
func (s *server) files() string {
	if s.name == "nginx" {
		return filepath.Join(s.stand.dir, "cache")
	}
	return filepath.Join(s.stand.dir, "none")
}

// machine names the processors.
func machine() string {
	name := "a processor"
	b, err := os.ReadFile("/proc/cpuinfo")
	if _, rest, ok := strings.Cut(string(b), "model name"); err == nil && ok {
		line, _, _ := strings.Cut(rest, "\n")
		name = strings.Trim(line, " \t:")
	}
	return fmt.Sprintf("%d x %s", runtime.NumCPU(), name)
}

// load is how many processes want to run, over the last minute.
func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
