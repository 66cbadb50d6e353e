package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"

	"tiercache/shared/platform"
)

// sharedPostgres is the URL of the one server that all tests of this binary share; the first call starts
// it. It is never assigned again, and the server ends with the process, however that ends.
var sharedPostgres = sync.OnceValues(startShared)

// keeper runs the server's command line ("$2"...) until its standard input ends, which is when the test
// binary that holds the other end is gone, then stops the server and removes its folder ("$1").
const keeper = `
dir=$1; shift
"$@" >"$dir/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -QUIT "$server"; wait "$server"
rm -rf -- "$dir"
`

// startShared runs the server below a shell instead of below this process: the test binary then has no
// goroutine or thread that lives on between tests, and goleak nothing to report.
func startShared() (string, error) {
	dir, err := serverDir()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	location, err := runShared(ctx, dir)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return location, nil
}

func runShared(ctx context.Context, dir string) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	server, err := platform.OpenPostgres(platform.PostgresConfig{Dir: dir, Port: port, MaxConnections: 200, Throwaway: true})
	if err != nil {
		return "", err
	}
	program, err := server.Program(ctx)
	if err != nil {
		return "", err
	}
	if err := keep(program, dir); err != nil {
		return "", err
	}
	if err := eventually(ctx, func() error { return server.Ready(ctx) }); err != nil {
		printed, readErr := os.ReadFile(dir + "/log")
		return "", errors.Join(fmt.Errorf("%w; it printed: %s", err, printed), readErr)
	}
	return server.URL(), nil
}

// keep starts the shell. Its standard input is a pipe whose other end only this process holds: as a bare
// file descriptor, since a file object would be closed by the garbage collector.
func keep(program platform.Program, dir string) error {
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	input := os.NewFile(uintptr(pipe[0]), "keeper")
	args := append([]string{"-c", keeper, "keeper", dir}, asAccount(program)...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Env, cmd.Dir, cmd.Stdin = program.Env, "/", input
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return errors.Join(cmd.Start(), input.Close())
}

// asAccount is the command line that runs program as its account.
func asAccount(program platform.Program) []string {
	command := append([]string{program.Path}, program.Args...)
	if program.Account == nil {
		return command
	}
	uid, gid := program.Account.IDs()
	return append([]string{"setpriv", "--reuid=" + strconv.Itoa(uid), "--regid=" + strconv.Itoa(gid), "--clear-groups", "--"}, command...)
}

// serverDir makes a folder that a server's own account may enter, below the folder for temporary files
// or, where that may not be entered, below /var/tmp.
func serverDir() (string, error) {
	for _, parent := range []string{os.TempDir(), "/var/tmp"} {
		dir, err := os.MkdirTemp(parent, "tiercache-test-")
		if err != nil {
			return "", err
		}
		if err := os.Chmod(dir, 0o711); err != nil {
			return "", err
		}
		if ok, err := platform.ServersMayEnter(dir); err != nil || ok {
			return dir, err
		}
		if err := os.Remove(dir); err != nil {
			return "", err
		}
	}
	return "", errors.New("servers may enter neither the folder for temporary files nor /var/tmp: set TMPDIR to one that everybody may enter")
}
