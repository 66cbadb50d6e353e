package million

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// connections and batch are how many requests are under way: each connection sends a batch, then reads the replies.
	connections = 16
	batch       = 32

	// batchTime bounds one batch.
	batchTime = time.Minute

	// maxBroken is how many connections may break while an edge is read.
	maxBroken = 100
)

// tally is what became of reads.
type tally struct {
	answered int // with the object
	hits     int // of these, those that the edge had stored, and fresh
}

// reading is all objects being read at an edge once.
type reading struct {
	addr          string
	objects, step int

	next, answered, hits, broken atomic.Int64
}

// readAll reads each object whose number is a multiple of step at an edge. What is answered with an error, or not
// because a connection breaks, only lacks in the tally.
func readAll(ctx context.Context, edge string, objects, step int) (tally, error) {
	u, err := url.Parse(edge)
	if err != nil {
		return tally{}, err
	}
	r := &reading{addr: u.Host, objects: objects, step: step}
	group, ctx := errgroup.WithContext(ctx)
	for range connections {
		group.Go(func() error {
			for more := true; more; {
				var err error
				if more, err = r.connection(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = group.Wait()
	return tally{answered: int(r.answered.Load()), hits: int(r.hits.Load())}, err
}

// connection reads batches over one connection until none is left or it breaks.
func (r *reading) connection(ctx context.Context) (more bool, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()                         // nothing is under way any more
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // ends what is
	replies := bufio.NewReader(conn)
	for {
		from := int(r.next.Add(batch)-batch) * r.step
		if from >= r.objects {
			return false, nil
		}
		err := r.batch(conn, replies, from, min(from+batch*r.step, r.objects))
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil && r.broken.Add(1) > maxBroken:
			return false, fmt.Errorf("connections break, the last one: %w", err)
		case err != nil:
			return true, nil
		}
	}
}

// batch reads the objects from from on, below to.
func (r *reading) batch(conn net.Conn, replies *bufio.Reader, from, to int) error {
	if err := conn.SetDeadline(time.Now().Add(batchTime)); err != nil {
		return err
	}
	var requests []byte
	for i := from; i < to; i += r.step {
		requests = fmt.Appendf(requests, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target(i), host)
	}
	if _, err := conn.Write(requests); err != nil {
		return err
	}
	for i := from; i < to; i += r.step {
		if err := r.reply(replies); err != nil {
			return fmt.Errorf("%s: %w", target(i), err)
		}
	}
	return nil
}

// reply reads one reply.
func (r *reading) reply(replies *bufio.Reader) error {
	response, err := http.ReadResponse(replies, nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode >= http.StatusInternalServerError:
		return nil
	case response.StatusCode != http.StatusOK || string(body) != "x":
		return errors.New("not the object: " + response.Status)
	}
	r.answered.Add(1)
	if status := response.Header.Values("Cache-Status"); len(status) == 1 && strings.Contains(status[0], "; hit; ttl=") {
		r.hits.Add(1)
	}
	return nil
}
