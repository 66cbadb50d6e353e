package runner

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"
)

const (
	// adminPortOffset is added to a node's port for its admin listener.
	adminPortOffset = 10000

	// adminWriteTimeout leaves room for a CPU profile of some minutes.
	adminWriteTimeout = 5 * time.Minute

	adminReadTimeout = 10 * time.Second
)

// AdminAddr is the default address of the admin listener of a node that listens on listen: the port
// plus 10000 on 127.0.0.1, whatever address the node itself is bound to, because profiles and metrics
// are not for everybody who may use the cache.
func AdminAddr(listen string) (string, error) {
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("admin address from %q: %w", listen, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n+adminPortOffset > 65535 {
		return "", fmt.Errorf("admin address: port %q plus %d is not a port: set admin_listen", port, adminPortOffset)
	}
	return net.JoinHostPort("127.0.0.1", strconv.FormatUint(n+adminPortOffset, 10)), nil
}

// Admin returns the admin listener as a part: /healthz says that the process lives, /readyz with 200
// or 503 whether it should get traffic and what it waits for, /metrics what metrics serves (404 when
// nil), /debug/pprof the profiles. Start it first, so that it can tell what the others wait for.
func Admin(addr string, h *Health, metrics http.Handler) Part {
	return Server{
		Name:         "admin",
		Addr:         addr,
		Handler:      adminHandler(h, metrics),
		ReadTimeout:  adminReadTimeout,
		WriteTimeout: adminWriteTimeout,
		DrainTimeout: time.Second,
	}.Part()
}

func adminHandler(h *Health, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", serveHealthz)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { serveReadyz(w, h) })
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func serveHealthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("ok\n")) // a client that is gone needs no answer
}

func serveReadyz(w http.ResponseWriter, h *Health) {
	report := h.Report()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !report.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(report) // a client that is gone needs no answer
}
