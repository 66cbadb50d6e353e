package sequencing

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc: USER_HZ, which is 100 on Linux.
const clockTick = 10 * time.Millisecond

// cpuTime is what this process and its descendants have used of the processors: writers, followers, the platform with its
// PostgreSQL and NATS. Unlike a rate it says the same on a machine that is busy with other work.
func cpuTime() (used time.Duration) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	parents, times := make(map[int]int), make(map[int]time.Duration)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		// The name, in brackets, may have anything in it. Behind it: state, parent, ..., utime and stime as 12th and 13th.
		fields := strings.Fields(string(b)[strings.LastIndexByte(string(b), ')')+1:])
		if len(fields) < 13 {
			continue
		}
		parents[pid], _ = strconv.Atoi(fields[1])
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		times[pid] = time.Duration(user+system) * clockTick
	}
	for pid, t := range times {
		for at := pid; at > 1; at = parents[at] {
			if at == os.Getpid() {
				used += t
				break
			}
		}
	}
	return used
}
