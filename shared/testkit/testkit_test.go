package testkit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
)

// childVariable makes the test binary play a test process of its own.
const childVariable = "TIERCACHE_TESTKIT_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(playTestProcess())
	}
	os.Exit(m.Run())
}

// playTestProcess starts the shared server, says where it is and waits to be killed.
func playTestProcess() int {
	location, err := sharedPostgres()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(location)
	_, _ = io.Copy(io.Discard, os.Stdin) // ends only with the process
	return 0
}

func TestPostgres_FreshDatabaseForEachCall(t *testing.T) {
	first, second := Postgres(t), Postgres(t)
	query(t, first, "CREATE TABLE marks (n int)")
	if _, err := tryQuery(second, "SELECT count(*)::text FROM marks"); err == nil {
		t.Fatal("the second database sees the first one's table")
	}
}

func TestPostgres_DroppedAfterTheTest(t *testing.T) {
	var inner string
	t.Run("inner", func(t *testing.T) { inner = Postgres(t) })
	if _, err := tryQuery(inner, "SELECT 'there'"); err == nil {
		t.Fatal("the inner test's database is still there")
	}
}

func TestPostgres_SharedServerEndsWithTheProcess(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	location := strings.TrimSpace(line)
	if err != nil || !strings.HasPrefix(location, "postgres://") {
		t.Fatalf("the child says %q, %v", line, err)
	}
	dir := query(t, location, "SHOW data_directory")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	Eventually(t, startTimeout, func() error {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s is still there: %v", dir, err)
		}
		return nil
	})
	if _, err := tryQuery(location, "SELECT 'there'"); err == nil {
		t.Fatal("the server outlives its test process")
	}
}

func TestPostgresProc_Kill9AndRestartKeepData(t *testing.T) {
	p := PostgresProc(t)
	query(t, p.URL, "CREATE TABLE marks (n int)")
	query(t, p.URL, "INSERT INTO marks VALUES (42)")
	p.Kill9()
	if _, err := tryQuery(p.URL, "SELECT 'there'"); err == nil {
		t.Fatal("it answers after Kill9")
	}
	p.Restart()
	if got := query(t, p.URL, "SELECT n::text FROM marks"); got != "42" {
		t.Fatalf("n = %s, want 42", got)
	}
}

func TestRedis_KillRestartPauseResume(t *testing.T) {
	r := Redis(t)
	if got, err := ping(r.Addr, answers); err != nil || got != "+PONG" {
		t.Fatalf("PING: %q, %v", got, err)
	}
	before := r.Pid()
	r.Kill9()
	if _, err := ping(r.Addr, answers); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("after Kill9: %v, want refused", err)
	}
	r.Restart()
	if r.Pid() == before {
		t.Fatal("Restart kept the process")
	}
	r.Pause()
	if _, err := ping(r.Addr, 300*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("paused: %v, want a timeout", err)
	}
	r.Resume()
	if _, err := ping(r.Addr, answers); err != nil {
		t.Fatalf("after Resume: %v", err)
	}
	r.Pause() // the end of the test must stop a paused server too
}

func TestEventually_FailsWithTheLastReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*pollInterval-1)
		defer cancel()
		calls := 0
		err := eventually(ctx, func() error { calls++; return fmt.Errorf("reason %d", calls) })
		if calls != 5 || err == nil || err.Error() != "reason 5" {
			t.Fatalf("after %d calls: %v", calls, err)
		}
	})
}

// answers is more than a server takes for an answer that it gives.
const answers = 20 * time.Second

func ping(addr string, within time.Duration) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, answers)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

func query(t *testing.T, location, statement string) string {
	t.Helper()
	got, err := tryQuery(location, statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return got
}

func tryQuery(location, statement string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, location)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var got string
	if err := conn.QueryRow(ctx, statement).Scan(&got); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", err
	}
	return got, nil
}

func TestTransaction_IsSeenOnceItIsCommitted(t *testing.T) {
	url := Postgres(t)
	Execute(t, url, "CREATE TABLE marks (n int)")
	count := func() string { return query(t, url, "SELECT count(*)::text FROM marks") }
	kept, lost := Begin(t, url), Begin(t, url)
	kept.Execute("INSERT INTO marks VALUES ($1)", 1)
	lost.Execute("INSERT INTO marks VALUES ($1)", 2)
	if got := count(); got != "0" {
		t.Errorf("%s before the commit", got)
	}
	if err := errors.Join(kept.Commit(), lost.Rollback()); err != nil || count() != "1" {
		t.Errorf("%v, %s rows", err, count())
	}
}
