package peers

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// workload is what is asked for.
type workload struct {
	name    string
	objects int // from 0 on
	size    int // bytes of each
	zipf    bool
	latency bool // an open loop is run as well
}

// workloads are all cases.
func workloads() []workload {
	return []workload{
		{"1 KiB", 1, 1 << 10, false, true},
		{"10 KiB", 1, 10 << 10, false, false},
		{"100 KiB", 1, 100 << 10, false, false},
		{"1 MiB", 1, 1 << 20, false, false},
		{"10,000 objects of 1 KiB by Zipf", 10_000, 1 << 10, true, true},
	}
}

func chosenCases(names []string) ([]workload, error) {
	if len(names) == 0 {
		return workloads(), nil
	}
	var list []workload
	for _, name := range names {
		found := false
		for _, c := range workloads() {
			if c.name == name {
				list, found = append(list, c), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no case is called %q", name)
		}
	}
	return list, nil
}

// path of an object: its size, and its number.
func (w workload) path(n int) string { return fmt.Sprintf("/%d/%d", w.size, n) }

// draws is how many paths of a Zipf case are drawn; they are asked for in turn.
const draws = 50_000

// paths are those to ask for, in turn. Popularity falls with the rank to the power of 1.01, about that of web sites.
func (w workload) paths() []string {
	if !w.zipf {
		return []string{w.path(0)}
	}
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.01, 1, uint64(w.objects-1))
	list := make([]string, draws)
	for i := range list {
		list[i] = w.path(int(z.Uint64()))
	}
	return list
}

// site serves every object: the path says how large it is.
type site struct {
	addr     string // host:port
	server   *fasthttp.Server
	answered atomic.Int64
}

func startSite() (*site, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &site{addr: l.Addr().String()}
	s.server = &fasthttp.Server{Name: "site", Handler: func(ctx *fasthttp.RequestCtx) {
		s.answered.Add(1)
		answer(ctx)
	}}
	go func() { _ = s.server.Serve(l) }() // until stop
	return s, nil
}

func (s *site) stop() error { return s.server.Shutdown() }

// largest is the most bytes of an object.
const largest = 1 << 20

// content is what objects begin with.
var content = []byte(strings.Repeat("0123456789abcdef", largest/16))

// answer answers /SIZE/NUMBER.
func answer(ctx *fasthttp.RequestCtx) {
	size, _, _ := strings.Cut(strings.TrimPrefix(string(ctx.Path()), "/"), "/")
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 || n > largest {
		ctx.SetStatusCode(http.StatusNotFound)
		return
	}
	h := &ctx.Response.Header
	h.SetContentType("application/octet-stream")
	h.Set("Cache-Control", "public, max-age=86400")
	h.Set("Etag", fmt.Sprintf("%q", size))
	h.Set("Last-Modified", "Mon, 02 Nov 2026 08:00:00 GMT")
	ctx.Response.SetBodyRaw(content[:n])
}

// fill asks for every object twice and wants what the site has, the second time from the cache.
func fill(ctx context.Context, s *server, w workload) error {
	transport := &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	for range 2 {
		for n := range w.objects {
			if err := get(ctx, client, "http://"+s.addr+w.path(n), w.size); err != nil {
				return err
			}
		}
	}
	return nil
}

func get(ctx context.Context, client *http.Client, url string, size int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or broken
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || n != int64(size)) {
		err = fmt.Errorf("%s: status %d, %d bytes and not %d", url, resp.StatusCode, n, size)
	}
	return err
}
