package peers

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Memory is what a stored object of 1 KiB takes.
type Memory struct {
	Name   string
	Empty  int64   // bytes of a server that has answered one request
	Object float64 // bytes more for each object
}

// settleTime is how long memory is left alone before it is looked at.
const settleTime = 2 * time.Second

// memory starts one server after the other and fills it.
func (r *run) memory(ctx context.Context) (list []Memory, err error) {
	for i, c := range r.now {
		if c.name == bareServer().name {
			continue // it stores nothing
		}
		r.say("memory of %d objects, %s", r.cfg.Stored, c.name)
		m, err := r.memoryOf(ctx, c, basePort+100+i*10)
		if err != nil {
			return list, fmt.Errorf("%s: %w", c.name, err)
		}
		list = append(list, m)
	}
	return list, nil
}

func (r *run) memoryOf(ctx context.Context, c contender, port int) (m Memory, err error) {
	s, err := r.start(ctx, c, port)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	one := workload{objects: 1, size: 1 << 10}
	if err := fill(ctx, s, one); err != nil {
		return m, err
	}
	time.Sleep(settleTime)
	before, err := s.resident()
	if err != nil {
		return m, err
	}
	many := one
	many.objects = r.cfg.Stored
	if err := fill(ctx, s, many); err != nil {
		return m, err
	}
	time.Sleep(settleTime)
	after, err := s.resident()
	return Memory{Name: s.name, Empty: before, Object: float64(after-before) / float64(r.cfg.Stored)}, err
}
