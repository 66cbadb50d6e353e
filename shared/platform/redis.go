package platform

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// RedisConfig configures a private Redis: a cache on loopback that keeps nothing on disk.
type RedisConfig struct {
	// Name is what people see; empty: redis.
	Name string
	// Port on 127.0.0.1.
	Port int
	// MaxMemory in bytes, from which on the least recently used entries are evicted; 0: 256 MiB.
	MaxMemory int64
	// Password that clients must give; empty: none. It is passed by standard input.
	Password string
	// Output receives what the server prints; nil: nobody.
	Output io.Writer
}

// Redis is a private Redis server.
type Redis struct {
	cfg     RedisConfig
	process *Process
}

// NewRedis only takes the configuration; it starts nothing.
func NewRedis(cfg RedisConfig) *Redis {
	if cfg.Name == "" {
		cfg.Name = "redis"
	}
	if cfg.MaxMemory == 0 {
		cfg.MaxMemory = 256 << 20
	}
	if cfg.Output == nil {
		cfg.Output = io.Discard
	}
	return &Redis{cfg: cfg}
}

// StartRedis starts a server and waits until it answers or ctx ends.
func StartRedis(ctx context.Context, cfg RedisConfig) (*Redis, error) {
	r := NewRedis(cfg)
	program, err := r.Program(ctx)
	if err != nil {
		return nil, err
	}
	if r.process, err = StartProcess(program, r.cfg.Output); err != nil {
		return nil, err
	}
	if err := await(ctx, r.process, r.Ready); err != nil {
		return nil, errors.Join(err, r.process.Kill())
	}
	return r, nil
}

// Addr is host:port of the server.
func (r *Redis) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.cfg.Port)) }

// Process is the server that StartRedis started; nil after NewRedis alone.
func (r *Redis) Process() *Process { return r.process }

// Pid is the server's process id, after StartRedis.
func (r *Redis) Pid() int { return r.process.Pid() }

// Stop ends the server that StartRedis started; when ctx ends first it is killed.
func (r *Redis) Stop(ctx context.Context) error { return r.process.Stop(ctx) }

// Program says how to run the server.
func (r *Redis) Program(context.Context) (Program, error) {
	path, err := findRedis()
	if err != nil {
		return Program{}, err
	}
	account, err := unprivileged("redis")
	if err != nil {
		return Program{}, err
	}
	return Program{
		Name: r.cfg.Name, Path: path, Args: []string{"-"}, Env: serverEnv(), Dir: "/",
		Stdin: r.settings(), Account: account,
	}, nil
}

// settings is the server's configuration file. Nothing is saved: what a cache lost is fetched again, and
// what it kept over a restart would have to be checked against every purge since.
func (r *Redis) settings() string {
	lines := []string{
		"bind 127.0.0.1",
		"protected-mode yes",
		"port " + strconv.Itoa(r.cfg.Port),
		"daemonize no",
		`save ""`,
		"appendonly no",
		"maxmemory " + strconv.FormatInt(r.cfg.MaxMemory, 10),
		"maxmemory-policy allkeys-lru",
	}
	if r.cfg.Password != "" {
		lines = append(lines, "requirepass "+r.cfg.Password)
	}
	return strings.Join(lines, "\n") + "\n"
}

// Ready asks the server by PING.
func (r *Redis) Ready(ctx context.Context) error {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", r.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing was written that could be lost
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	return r.ping(conn)
}

func (r *Redis) ping(conn net.Conn) error {
	replies := bufio.NewReader(conn)
	if r.cfg.Password != "" {
		if err := ask(conn, replies, "AUTH "+r.cfg.Password, "+OK"); err != nil {
			return err
		}
	}
	return ask(conn, replies, "PING", "+PONG")
}

// ask sends one inline command. The error has the server's reply, never the command.
func ask(conn net.Conn, replies *bufio.Reader, command, want string) error {
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return err
	}
	reply, err := replies.ReadString('\n')
	if err != nil {
		return err
	}
	if reply = strings.TrimSpace(reply); reply != want {
		return fmt.Errorf("redis answers %q", reply)
	}
	return nil
}
