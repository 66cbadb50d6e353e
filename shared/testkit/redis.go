package testkit

import (
	"context"
	"fmt"
	"testing"

	"tiercache/shared/platform"
)

// Redis starts a Redis of this test's own, without a password: Addr says where. It takes 64 MiB and
// evicts the least recently used entries.
func Redis(t testing.TB) *Proc {
	t.Helper()
	port, out := FreePort(t), &output{}
	p := newProc(t, "redis", out, func(ctx context.Context) (*platform.Process, error) {
		server, err := platform.StartRedis(ctx, platform.RedisConfig{Port: port, MaxMemory: 64 << 20, Output: out})
		if err != nil {
			return nil, err
		}
		return server.Process(), nil
	})
	p.Addr = fmt.Sprintf("127.0.0.1:%d", port)
	return p
}
