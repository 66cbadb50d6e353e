package platform

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// roleVariable makes the test binary play a child process: "ROLE ARGUMENT".
const roleVariable = "TIERCACHE_PLATFORM_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(strings.SplitN(role, " ", 2)))
	}
	os.Exit(m.Run())
}

func play(role []string) int {
	switch role[0] {
	case "listen": // serves a port until SIGTERM
		return listen(role[1], syscall.SIGTERM)
	case "stubborn": // serves a port and ignores SIGTERM
		signal.Ignore(syscall.SIGTERM)
		return listen(role[1], syscall.SIGUSR1)
	case "fail":
		fmt.Fprintln(os.Stderr, role[1])
		return 3
	case "platform": // supervises a PostgreSQL, a Redis and a listener in a folder until SIGTERM
		return superviseIn(role[1])
	}
	return 99
}

func listen(addr string, until os.Signal) int {
	told := make(chan os.Signal, 1)
	signal.Notify(told, until)
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("listening")
	<-told
	fmt.Println("told to stop")
	_ = listener.Close() // the process ends
	return 0
}

// superviseIn runs the set that the crash tests kill; its ports lie in the file dir/ports.
func superviseIn(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := supervise(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func supervise(ctx context.Context, dir string) error {
	lock, err := LockDir(dir)
	if err != nil {
		return err
	}
	ports, err := readPorts(dir)
	if err != nil {
		return err
	}
	uses := []PortUse{{loopback(ports[0]), "postgres"}, {loopback(ports[1]), "redis"}, {loopback(ports[2]), "node"}}
	patience := time.Duration(0)
	if lock.Crashed {
		patience = 10 * time.Second
	}
	if err := CheckPorts(ctx, uses, patience); err != nil {
		return err
	}
	pg, err := OpenPostgres(PostgresConfig{Dir: filepath.Join(dir, "postgres"), Port: ports[0], Throwaway: true})
	if err != nil {
		return err
	}
	redis := NewRedis(RedisConfig{Port: ports[1], Password: "secret"})
	s := NewSupervisor(SupervisorConfig{LogDir: filepath.Join(dir, "logs"), StopTimeout: 2 * time.Second, Say: func(service, line string) {
		fmt.Printf("%s: %s\n", service, line)
	}},
		Service{Name: "postgres", Stage: 0, Program: pg.Program, Ready: pg.Ready},
		Service{Name: "redis", Stage: 1, Program: redis.Program, Ready: redis.Ready},
		role("node", 2, "stubborn", loopback(ports[2])),
	)
	var g errgroup.Group
	g.Go(func() error { return s.Run(ctx) })
	g.Go(func() error {
		if err := s.AwaitReady(ctx); err != nil {
			return nil // Run says why
		}
		return os.WriteFile(filepath.Join(dir, "ready"), fmt.Appendf(nil, "%d %d %d\n%s\n", s.Pid("postgres"), s.Pid("redis"), s.Pid("node"), pg.URL()), 0o600)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return lock.Release()
}

func readPorts(dir string) (ports [3]int, err error) {
	content, err := os.ReadFile(filepath.Join(dir, "ports"))
	if err != nil {
		return ports, err
	}
	_, err = fmt.Sscan(string(content), &ports[0], &ports[1], &ports[2])
	return ports, err
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// role is a service played by the test binary; it is ready when its argument, an address, is listened on.
func role(name string, stage int, role, argument string) Service {
	return Service{
		Name: name, Stage: stage,
		Program: func(context.Context) (Program, error) {
			return Program{
				Name: name, Path: os.Args[0],
				Env: append(os.Environ(), roleVariable+"="+role+" "+argument),
			}, nil
		},
		Ready: func(ctx context.Context) error {
			conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", argument)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	}
}
