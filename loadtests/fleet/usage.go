package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc: USER_HZ, which is 100 on Linux.
const clockTick = 10 * time.Millisecond

// usage is what the processes have used of the processors, and what they hold of memory, in bytes.
type usage struct {
	cpu                      CPU
	control, nats, followers int64
}

// process is a process that is looked at.
type process struct {
	parent  int
	command string // its arguments, with spaces between them
	cpu     time.Duration
	memory  int64 // resident, its own
}

// usage reads /proc. The nodes are children of the platform's process, and what they have started counts with them.
func (r *run) usage() (u usage, err error) {
	all := processes()
	for pid, p := range all {
		switch {
		case p.parent == os.Getpid() && strings.Contains(p.command, " --follow "):
			u.cpu.Followers += p.cpu
			u.followers += p.memory
		case !descends(all, pid, r.platform.PID()):
		case strings.Contains(p.command, "postgres"):
			u.cpu.PostgreSQL += p.cpu
		case strings.Contains(p.command, " control "):
			u.cpu.Control += p.cpu
			u.control += p.memory
		case strings.Contains(p.command, " nats "):
			u.cpu.NATS += p.cpu
			u.nats += p.memory
		}
	}
	if u.control == 0 || u.nats == 0 || u.cpu.PostgreSQL == 0 {
		return u, fmt.Errorf("the platform's processes were not found in /proc")
	}
	return u, nil
}

func descends(all map[int]process, pid, from int) bool {
	for at := pid; at > 1; at = all[at].parent {
		if at == from {
			return true
		}
	}
	return false
}

func processes() map[int]process {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is a good one
	all := make(map[int]process, len(paths))
	for _, path := range paths {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if p, ok := readProcess(filepath.Dir(path)); ok {
			all[pid] = p
		}
	}
	return all
}

// readProcess is false for one that has ended.
func readProcess(dir string) (p process, ok bool) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, false
	}
	command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return p, false
	}
	p.command = strings.ReplaceAll(string(command), "\x00", " ")
	// The name, in brackets, may have anything in it. Behind it: state, parent, ..., utime, stime as 12th and 13th.
	fields := strings.Fields(string(stat)[strings.LastIndexByte(string(stat), ')')+1:])
	if len(fields) < 13 {
		return p, false
	}
	p.parent, _ = strconv.Atoi(fields[1])
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	p.cpu = time.Duration(user+system) * clockTick
	if statm, err := os.ReadFile(filepath.Join(dir, "statm")); err == nil {
		if pages := strings.Fields(string(statm)); len(pages) > 2 {
			resident, _ := strconv.ParseInt(pages[1], 10, 64)
			shared, _ := strconv.ParseInt(pages[2], 10, 64)
			p.memory = (resident - shared) * int64(os.Getpagesize())
		}
	}
	return p, true
}

// load is how many processes want to run, over the last minute.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	if err != nil {
		return "?"
	}
	return first
}
