package peers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Latency is of an open loop: from when a request was to be sent until its answer was read.
type Latency struct {
	P50, P99, Max time.Duration
	Requests      int
	Sent          float64 // requests a second that were sent; less than was asked for: the driver could not
}

// openLoop sends requests at a fixed rate for a while, whether earlier ones were answered or not, each at its time over one
// of the connections in turn. One that must wait for the connection's last answer counts from its own time.
func (r *run) openLoop(ctx context.Context, s *server, w workload, rate float64) (Latency, error) {
	paths := w.paths()
	n := int(rate * r.cfg.Lasting.Seconds())
	took := make([]time.Duration, n)
	client := &fasthttp.HostClient{Addr: s.addr, MaxConns: r.cfg.Connections, ReadTimeout: 10 * time.Second, DisablePathNormalizing: true, NoDefaultUserAgentHeader: true}
	defer client.CloseIdleConnections()
	var failed atomic.Pointer[error]
	var next atomic.Int64
	var senders sync.WaitGroup
	began := time.Now().Add(10 * time.Millisecond)
	for range r.cfg.Connections {
		senders.Go(func() {
			var req fasthttp.Request
			var resp fasthttp.Response
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				due := began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
				time.Sleep(time.Until(due))
				req.SetRequestURI("http://" + s.addr + paths[i%len(paths)])
				err := client.Do(&req, &resp)
				if err == nil && resp.StatusCode() != fasthttp.StatusOK {
					err = fmt.Errorf("status %d", resp.StatusCode())
				}
				if err != nil {
					failed.Store(&err)
					return
				}
				took[i] = time.Since(due)
			}
		})
	}
	senders.Wait()
	lasted := time.Since(began)
	if err := failed.Load(); err != nil {
		return Latency{}, *err
	}
	if ctx.Err() != nil || n == 0 {
		return Latency{}, errors.Join(ctx.Err(), errors.New("no request was sent"))
	}
	slices.Sort(took)
	return Latency{P50: took[n/2], P99: took[n*99/100], Max: took[n-1], Requests: n, Sent: float64(n) / lasted.Seconds()}, nil
}
