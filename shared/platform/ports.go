package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"
)

// ErrPortBusy is wrapped when something listens on a port that is needed.
var ErrPortBusy = errors.New("port is in use")

// PortUse is an address that somebody is going to listen on.
type PortUse struct {
	// Addr is host:port.
	Addr string
	// Use says what for: "edge-1", "edge-1 admin".
	Use string
}

// CheckPorts finds out whether all of uses are free. For up to patience it asks again: processes that are
// on their way out may still hold some. The error names each busy port, its use and who holds it.
func CheckPorts(ctx context.Context, uses []PortUse, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := checkPorts(uses)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

func checkPorts(uses []PortUse) error {
	var busy []error
	taken := map[string]string{}
	for _, use := range uses {
		if other, ok := taken[use.Addr]; ok {
			busy = append(busy, fmt.Errorf("%w: %s is wanted by both %s and %s", ErrPortBusy, use.Addr, other, use.Use))
		}
		taken[use.Addr] = use.Use
		if err := checkPort(use); err != nil {
			busy = append(busy, err)
		}
	}
	return errors.Join(busy...)
}

func checkPort(use PortUse) error {
	listener, err := net.Listen("tcp", use.Addr)
	switch {
	case err == nil:
		return listener.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: %s, for %s, is held by %s", ErrPortBusy, use.Addr, use.Use, holderOf(use.Addr))
	default:
		return fmt.Errorf("cannot listen on %s for %s: %w", use.Addr, use.Use, errors.Unwrap(err))
	}
}

// holderOf is who listens on addr's port, in words.
func holderOf(addr string) string {
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "another program"
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "another program"
	}
	name, pid, ok := listenerOn("/proc", uint16(port))
	if !ok {
		return "another program (of another user)"
	}
	return fmt.Sprintf("%s (pid %d)", name, pid)
}
