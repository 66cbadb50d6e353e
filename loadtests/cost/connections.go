package cost

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"tiercache/loadtests/openloop"
	"tiercache/loadtests/processes"
)

const (
	// connections that are kept open to see what one takes of an edge's memory.
	connections = 2000

	// before are opened first, and do not count: they bring what an edge makes once.
	before = 200

	// opening is how many are opened at a time.
	opening = 64
)

// connectionBytes is what the edge's memory grows by with each connection that has had a reply and is kept open.
func (r *run) connectionBytes(ctx context.Context) (float64, error) {
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close() // nothing is under way
		}
	}()
	var held [2]float64
	for i, count := range []int{before, connections} {
		more, err := r.openConnections(ctx, count)
		open = append(open, more...)
		if err != nil {
			return 0, err
		}
		if err := openloop.Wait(ctx, rest); err != nil {
			return 0, err
		}
		u, err := readUsage(processes.All(), r.platform.PID())
		if err != nil {
			return 0, err
		}
		held[i] = u.memory[Edge]
	}
	grown := (held[1] - held[0]) / connections
	if grown <= 0 {
		return 0, fmt.Errorf("the edge held %.0f bytes with %d connections, and %.0f with %d", held[0], before, held[1], before+connections)
	}
	return grown, nil
}

// openConnections returns those that are open also with an error.
func (r *run) openConnections(ctx context.Context, count int) ([]net.Conn, error) {
	opened := make(chan net.Conn, count)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(opening)
	for range count {
		group.Go(func() error {
			conn, err := (&net.Dialer{Timeout: askTimeout}).DialContext(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(edgePort+r.cfg.PortOffset))
			if err != nil {
				return err
			}
			opened <- conn
			return r.askOnce(conn)
		})
	}
	err := group.Wait()
	close(opened)
	var open []net.Conn
	for conn := range opened {
		open = append(open, conn)
	}
	return open, err
}

// askOnce has one reply over the connection.
func (r *run) askOnce(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(askTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", r.set.path(0), host); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", errWrong, resp.Status)
	}
	return nil
}
