package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// insideEnv marks the process that runs in the sandbox.
const insideEnv = "TIERCACHE_FAULTS_INSIDE"

// scratch is where everything lies that a run makes, in the sandbox: a memory file system of its own.
const scratch = "/run"

// programs are what a run needs beside the fleet's binary.
type programs struct {
	postgres string // the folder
	faketime string // the library
	account  *user.User
}

// ErrCannot is wrapped where this machine cannot run it.
var ErrCannot = errors.New("this machine cannot run it")

// Check says what a run lacks here. The error wraps ErrCannot.
func Check() error {
	_, err := findPrograms()
	return err
}

func findPrograms() (p programs, err error) {
	if os.Geteuid() != 0 {
		return p, fmt.Errorf("%w: it makes network namespaces, so it must be root: sudo make test-faults", ErrCannot)
	}
	for _, name := range []string{"ip", "tc", "nft", "nsenter", "setpriv", "redis-server"} {
		if _, err := exec.LookPath(name); err != nil {
			return p, fmt.Errorf("%w: %s is missing: .ci/deps faults installs it", ErrCannot, name)
		}
	}
	builds, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is right
	libraries, _ := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if len(builds) == 0 || len(libraries) == 0 {
		return p, fmt.Errorf("%w: PostgreSQL or libfaketime is missing: .ci/deps faults installs them", ErrCannot)
	}
	slices.Sort(builds)
	p.postgres, p.faketime = filepath.Dir(builds[len(builds)-1]), libraries[0]
	if p.account, err = user.Lookup("postgres"); err != nil {
		return p, fmt.Errorf("%w: there is no account postgres: %w", ErrCannot, err)
	}
	return p, nil
}

// Inside reports whether this process is in a sandbox already.
func Inside() bool { return os.Getenv(insideEnv) != "" }

// Enter runs this program once more, with args, in namespaces of its own for network, mounts, processes and shared memory,
// and returns how it ended. When the child ends, or this process, the kernel ends all processes in there and forgets its network and its
// mounts, so no run leaves anything behind, whatever becomes of it. An interrupt is passed on.
func Enter(ctx context.Context, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		// An interrupt at the terminal is for this process, which tells the child.
		Setpgid: true, Pdeathsig: syscall.SIGKILL,
	}
	return cmd.Run()
}

// furnish makes the sandbox what the fleet needs: nothing that is mounted here is seen outside.
func furnish() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to this run: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := syscall.Mount("shm", "/dev/shm", "tmpfs", 0, "mode=1777,size=512m"); err != nil { // PostgreSQL's, when it is killed
		return fmt.Errorf("mount /dev/shm: %w", err)
	}
	if err := syscall.Mount("scratch", scratch, "tmpfs", 0, "mode=0755,size=4g"); err != nil {
		return fmt.Errorf("mount %s: %w", scratch, err)
	}
	return nil
}

// disk makes a file system of that many megabytes, which the servers' account owns.
func (p *programs) disk(dir string, megabytes int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	options := fmt.Sprintf("size=%dm,mode=0700,uid=%s,gid=%s", megabytes, p.account.Uid, p.account.Gid)
	if err := syscall.Mount("disk", dir, "tmpfs", 0, options); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	return nil
}

// command runs a program to its end and returns what it printed.
func command(ctx context.Context, stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// processesIn are the processes whose working folder is dir.
func processesIn(dir string) (pids []int) {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd") // the pattern is right
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && at == dir {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
