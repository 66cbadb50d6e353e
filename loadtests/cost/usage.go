package cost

import (
	"fmt"
	"strings"

	"tiercache/loadtests/processes"
)

// Role is a part of the platform, as its processes are told apart.
type Role string

// The roles, in the order in which a request meets them.
const (
	Edge       Role = "edge"
	Regional   Role = "regional"
	Redis      Role = "redis"
	Origin     Role = "origin"
	PostgreSQL Role = "postgresql"
	Control    Role = "control"
	NATS       Role = "nats"
)

// Roles are all of them.
func Roles() []Role { return []Role{Edge, Regional, Redis, Origin, PostgreSQL, Control, NATS} }

// ByRole is a figure of each role: seconds of processor time, cores, or bytes.
type ByRole map[Role]float64

// Sum is that of all roles, or of some.
func (b ByRole) Sum(of ...Role) (sum float64) {
	if len(of) == 0 {
		of = Roles()
	}
	for _, role := range of {
		sum += b[role]
	}
	return sum
}

// plus is b and times times o.
func (b ByRole) plus(o ByRole, times float64) ByRole {
	sum := make(ByRole, len(Roles()))
	for _, role := range Roles() {
		sum[role] = b[role] + times*o[role]
	}
	return sum
}

// usage is what the processes of each role have used and hold.
type usage struct {
	cpu    ByRole // seconds since they started
	memory ByRole // bytes: what each has for itself, and what they share once
	pids   map[Role]int
}

// readUsage is of the processes that pid has started. Its error says which role has none.
func readUsage(all map[int]processes.Process, pid int) (usage, error) {
	u := usage{cpu: ByRole{}, memory: ByRole{}, pids: map[Role]int{}}
	shared := ByRole{}
	for id, p := range all {
		role, ok := roleOf(p.Command)
		if !ok || !processes.Descends(all, id, pid) {
			continue
		}
		u.cpu[role] += (p.CPU + p.Waited).Seconds()
		u.memory[role] += float64(p.Private)
		shared[role] = max(shared[role], float64(p.Shared))
		if parent, ok := roleOf(all[p.Parent].Command); !ok || parent != role {
			u.pids[role] = id // its first process: PostgreSQL's others are children of that
		}
	}
	for _, role := range Roles() {
		if u.pids[role] == 0 {
			return u, fmt.Errorf("the platform has no process of %s in /proc", role)
		}
		u.memory[role] += shared[role]
	}
	return u, nil
}

// roleOf is by the command that a process was started with.
func roleOf(command string) (Role, bool) {
	words := strings.Fields(command)
	switch {
	case len(words) == 0:
		return "", false
	case strings.Contains(words[0], "redis-server"):
		return Redis, true
	case strings.Contains(words[0], "postgres"):
		return PostgreSQL, true
	case len(words) < 2:
		return "", false
	}
	switch role := Role(words[1]); role {
	case Edge, Regional, Origin, Control, NATS:
		return role, true
	}
	return "", false
}

// since is the processor time of each role between two moments, in seconds. A role that was started again in between is an
// error: what its first process had used is lost.
func (u usage) since(before usage) (ByRole, error) {
	for _, role := range Roles() {
		if u.pids[role] != before.pids[role] {
			return nil, fmt.Errorf("%s was started again during the measurement", role)
		}
	}
	return u.cpu.plus(before.cpu, -1), nil
}
