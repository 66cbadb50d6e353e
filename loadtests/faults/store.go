package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// store is a Redis: the L2 of a region.
type store struct {
	fleet *fleet
	part  *part
	host  string
	dir   string
}

// newStore is a server on that host; it is not started.
func (f *fleet) newStore(ctx context.Context, host string) (*store, error) {
	s := &store{fleet: f, host: host, dir: filepath.Join(scratch, host)}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	settings := []string{
		"bind " + addr(host), "port " + strconv.Itoa(port(host)), "protected-mode no", "daemonize no", `save ""`, "appendonly no", "dir " + s.dir,
		"maxmemory 64mb", "maxmemory-policy allkeys-lru", "repl-diskless-sync yes", "repl-diskless-sync-delay 0",
	}
	s.part = &part{
		host: f.net.hosts[host], name: host, path: "/usr/bin/redis-server", args: []string{"-"}, stdin: strings.Join(settings, "\n") + "\n",
		dir: s.dir, logs: f.cfg.logs(), ready: func(context.Context) error { _, err := s.ask("PING"); return err },
	}
	f.parts[host] = s.part
	return s, nil
}

// ask sends a command and returns the first line of the reply.
func (s *store) ask(line string) (string, error) {
	conn, err := net.DialTimeout("tcp", address(s.host), 2*time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // it was answered, or it failed
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
		return "", err
	}
	reply, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && strings.HasPrefix(reply, "-") {
		err = errors.New("redis: " + strings.TrimSpace(reply))
	}
	return strings.TrimSpace(reply), err
}

// flush loses everything.
func (s *store) flush() error {
	_, err := s.ask("FLUSHALL")
	return err
}

// dump keeps what it has now.
func (s *store) dump() error {
	if _, err := s.ask("SAVE"); err != nil {
		return err
	}
	return os.Rename(filepath.Join(s.dir, "dump.rdb"), filepath.Join(s.dir, "old.rdb"))
}

// restore starts it anew with what it had at dump.
func (s *store) restore(ctx context.Context) error {
	if err := s.part.kill(); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(s.dir, "old.rdb"), filepath.Join(s.dir, "dump.rdb")); err != nil {
		return err
	}
	if err := s.part.start(); err != nil {
		return err
	}
	return s.part.await(ctx, serverTime)
}

// follow makes it a replica and waits until it has what the other one has.
func (s *store) follow(ctx context.Context, primary *store) error {
	if _, err := s.ask(fmt.Sprintf("REPLICAOF %s %d", addr(primary.host), port(primary.host))); err != nil {
		return err
	}
	for {
		// ROLE would say so in its second part; PING with min-replicas is more work than to ask for the link.
		up, err := s.linked()
		if err != nil || up {
			return err
		}
		if err := rest(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// linked reports whether a replica has its primary's data and hears of changes.
func (s *store) linked() (bool, error) {
	conn, err := net.DialTimeout("tcp", address(s.host), 2*time.Second)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }() // it was answered, or it failed
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return false, err
	}
	if _, err := io.WriteString(conn, "INFO replication\r\nQUIT\r\n"); err != nil {
		return false, err
	}
	text, err := io.ReadAll(conn)
	return strings.Contains(string(text), "master_link_status:up"), err
}

// promote makes a replica take writes.
func (s *store) promote() error {
	_, err := s.ask("REPLICAOF NO ONE")
	return err
}

// dials is a part's readiness by its port.
func dials(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		dialer := net.Dialer{Timeout: time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
