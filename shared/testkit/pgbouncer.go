package testkit

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// pgbouncerFile is a pooler in transaction mode: a server connection is a client's for one transaction at a time.
const pgbouncerFile = `[databases]
* = host=%s port=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = %d
max_client_conn = 500
`

// PgBouncer starts a PgBouncer in transaction mode, with at most size connections to the server of a database, before that
// database, and returns the database's URL through it. The URL says nothing of a pooler.
func PgBouncer(t testing.TB, location string, size int) string {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := serverDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // below the folder for temporary files
	port := FreePort(t)
	password, _ := u.User.Password()
	path := filepath.Join(dir, "pgbouncer.ini")
	settings := fmt.Sprintf(pgbouncerFile, u.Hostname(), u.Port(), u.User.Username(), password, port, size)
	if err := os.WriteFile(path, []byte(settings), 0o644); err != nil { // it has the password of a throwaway server
		t.Fatal(err)
	}
	startPgBouncer(t, path)
	u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	Eventually(t, startTimeout, func() error {
		conn, err := net.DialTimeout("tcp", u.Host, time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return u.String()
}

// startPgBouncer runs it until the test ends, as the account of PostgreSQL where this process is root, which it refuses.
func startPgBouncer(t testing.TB, settings string) {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := &output{}
	cmd := exec.CommandContext(ctx, program, settings)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		account, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(account.Uid) // numbers, on Linux
		gid, _ := strconv.Atoi(account.Gid)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start pgbouncer: %v\nrun make test: it installs what tests need", err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("what pgbouncer printed:\n%s", out)
		}
	})
}
