package fleet

import (
	"fmt"
	"os"
	"strings"

	"tiercache/loadtests/processes"
)

// usage is what the processes have used of the processors, and what they hold of memory, in bytes.
type usage struct {
	cpu                      CPU
	control, nats, followers int64
}

// usage reads /proc. The nodes are children of the platform's process, and what they have started counts with them.
func (r *run) usage() (u usage, err error) {
	all := processes.All()
	for pid, p := range all {
		switch {
		case p.Parent == os.Getpid() && strings.Contains(p.Command, " --follow "):
			u.cpu.Followers += p.CPU
			u.followers += p.Private
		case !processes.Descends(all, pid, r.platform.PID()):
		case strings.Contains(p.Command, "postgres"):
			u.cpu.PostgreSQL += p.CPU + p.Waited // of connections that were closed as well
		case strings.Contains(p.Command, " control "):
			u.cpu.Control += p.CPU
			u.control += p.Private
		case strings.Contains(p.Command, " nats "):
			u.cpu.NATS += p.CPU
			u.nats += p.Private
		}
	}
	if u.control == 0 || u.nats == 0 || u.cpu.PostgreSQL == 0 {
		return u, fmt.Errorf("the platform's processes were not found in /proc")
	}
	return u, nil
}
