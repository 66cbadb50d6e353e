package peers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"tiercache/loadtests/openloop"
)

// Latency is of an open loop: from when a request was to be sent until its answer was read.
type Latency struct {
	P50, P99, Max time.Duration
	Requests      int
	Sent          float64 // requests a second that were sent; less than was asked for: the driver could not
}

// openLoop sends requests at a fixed rate for a while. One that must wait for a connection counts from its own time.
func (r *run) openLoop(ctx context.Context, s *server, w workload, rate float64) (Latency, error) {
	paths := w.paths()
	client := &fasthttp.HostClient{Addr: s.addr, MaxConns: r.cfg.Connections, ReadTimeout: 10 * time.Second, DisablePathNormalizing: true, NoDefaultUserAgentHeader: true}
	defer client.CloseIdleConnections()
	stream := openloop.Stream{Count: int(rate * r.cfg.Lasting.Seconds()), Rate: rate, Workers: r.cfg.Connections, Do: func(_ context.Context, i int) (int64, error) {
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(req)
		defer fasthttp.ReleaseResponse(resp)
		req.SetRequestURI("http://" + s.addr + paths[i%len(paths)])
		if err := client.Do(req, resp); err != nil {
			return 0, err
		}
		if resp.StatusCode() != fasthttp.StatusOK {
			return 0, fmt.Errorf("status %d", resp.StatusCode())
		}
		return int64(len(resp.Body())), nil
	}}
	t := stream.Drive(ctx)
	if err := errors.Join(ctx.Err(), t.First); err != nil {
		return Latency{}, err
	}
	if t.Requests == 0 {
		return Latency{}, errors.New("no request was sent")
	}
	return Latency{P50: t.P50, P99: t.P99, Max: t.Max, Requests: t.Requests, Sent: float64(t.Requests) / t.Lasted.Seconds()}, nil
}
