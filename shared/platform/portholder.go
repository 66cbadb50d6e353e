package platform

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// stateListen is a listening socket in /proc/net/tcp.
const stateListen = "0A"

// listenerOn finds the process that listens on port, by the tables below proc. Other users' processes are
// visible to root only.
func listenerOn(proc string, port uint16) (name string, pid int, ok bool) {
	sockets := map[string]bool{}
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		addListeners(sockets, filepath.Join(proc, table), port)
	}
	if len(sockets) == 0 {
		return "", 0, false
	}
	links, err := filepath.Glob(filepath.Join(proc, "[0-9]*/fd/*"))
	if err != nil {
		return "", 0, false
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !sockets[target] {
			continue
		}
		process := filepath.Dir(filepath.Dir(link))
		if pid, err = strconv.Atoi(filepath.Base(process)); err != nil {
			continue
		}
		return programName(process), pid, true
	}
	return "", 0, false
}

// addListeners adds the sockets in table that listen on port, named as links in /proc/PID/fd name them.
// Each line has: number, local address:port (hexadecimal), remote, state, ..., and the inode as the tenth.
func addListeners(sockets map[string]bool, table string, port uint16) {
	file, err := os.Open(table)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }() // only read
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && fields[3] == stateListen && strings.HasSuffix(fields[1], suffix) {
			sockets["socket:["+fields[9]+"]"] = true
		}
	}
}

func programName(process string) string {
	comm, err := os.ReadFile(filepath.Join(process, "comm"))
	if err != nil {
		return "a program"
	}
	return strings.TrimSpace(string(comm))
}

// programOf is the name of process pid, and whether it lives: one that ended but was not waited for does
// not. Its stat line is: id, (name), state, ...; the name may contain anything.
func programOf(proc string, pid int) (name string, living bool) {
	process := filepath.Join(proc, strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(process, "stat"))
	if err != nil {
		return "", false
	}
	_, rest, _ := strings.Cut(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]), " ")
	return programName(process), !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
