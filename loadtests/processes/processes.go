// Package processes reads from /proc what the processes of this machine have used of its processors and hold of its memory,
// and how busy the machine is, for load tests that say what the parts of a platform cost. Start reading at All.
package processes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc: USER_HZ, which is 100 on Linux.
const clockTick = 10 * time.Millisecond

// Process is one process. Its times only grow.
type Process struct {
	Parent  int
	Command string        // its arguments, with spaces between them
	CPU     time.Duration // processor time of its own
	Waited  time.Duration // and that of children that have ended
	Private int64         // resident memory that nobody shares with it, in bytes
	Shared  int64         // resident memory that others may have as well: program text, PostgreSQL's buffers
}

// All are the processes of this machine, by their ids. Those that end meanwhile are left out.
func All() map[int]Process { return below("/proc") }

func below(root string) map[int]Process {
	folders, _ := filepath.Glob(filepath.Join(root, "[0-9]*")) // the pattern is a good one
	all := make(map[int]Process, len(folders))
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			continue
		}
		if p, err := read(folder); err == nil {
			all[pid] = p
		}
	}
	return all
}

// Descends reports whether from is pid itself or an ancestor of it.
func Descends(all map[int]Process, pid, from int) bool {
	for at := pid; at > 1; at = all[at].Parent {
		if at == from {
			return true
		}
	}
	return false
}

// read is an error for a process that has ended.
func read(folder string) (p Process, err error) {
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return p, err
	}
	command, err := os.ReadFile(filepath.Join(folder, "cmdline"))
	if err != nil {
		return p, err
	}
	p.Command = strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))
	if err := p.times(string(stat)); err != nil {
		return p, fmt.Errorf("%s: %w", filepath.Join(folder, "stat"), err)
	}
	statm, err := os.ReadFile(filepath.Join(folder, "statm"))
	if err != nil {
		return p, err
	}
	if err := p.memory(string(statm)); err != nil {
		return p, fmt.Errorf("%s: %w", filepath.Join(folder, "statm"), err)
	}
	return p, nil
}

// times reads /proc/PID/stat. The name, in brackets, may have anything in it. Behind it: state, parent, ..., and as 12th to
// 15th the ticks in user and system mode, of the process and of the children that it has waited for.
func (p *Process) times(stat string) (err error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 15 {
		return fmt.Errorf("%d fields behind the name, of 15", len(fields))
	}
	if p.Parent, err = strconv.Atoi(fields[1]); err != nil {
		return fmt.Errorf("the parent: %w", err)
	}
	var ticks [4]int64
	for i := range ticks {
		if ticks[i], err = strconv.ParseInt(fields[11+i], 10, 64); err != nil {
			return fmt.Errorf("a time: %w", err)
		}
	}
	p.CPU, p.Waited = time.Duration(ticks[0]+ticks[1])*clockTick, time.Duration(ticks[2]+ticks[3])*clockTick
	return nil
}

// memory reads /proc/PID/statm: pages of address space, of memory, and those of the latter that may be shared.
func (p *Process) memory(statm string) error {
	fields := strings.Fields(statm)
	if len(fields) < 3 {
		return errors.New("less than 3 fields")
	}
	resident, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return fmt.Errorf("resident pages: %w", err)
	}
	shared, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return fmt.Errorf("shared pages: %w", err)
	}
	page := int64(os.Getpagesize())
	p.Private, p.Shared = (resident-shared)*page, shared*page
	return nil
}
