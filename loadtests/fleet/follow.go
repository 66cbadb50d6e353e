package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tiercache/loadtests/platform"
	"tiercache/shared/bus"
	"tiercache/shared/controllog"
	"tiercache/shared/follower"
	"tiercache/shared/runner"
)

const (
	// joining is how many followers of a process join at a time: a fleet that is rolled out does not join at once either.
	joining = 16

	// indexCapacity is how many purged scopes a follower's index holds: fewer than an edge's, whose table alone would be 17 MiB
	// for each.
	indexCapacity = 1024
)

// Follow is a process of followers: those with the numbers from first on. It says on out when all follow, and then answers
// each line of in with what they have seen since the line before, until in ends.
func Follow(ctx context.Context, first, count int, node platform.NodeSettings, in io.Reader, out io.Writer) error {
	secret, err := os.ReadFile(node.TierTokenFile)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &flock{node: node, secret: strings.TrimSpace(string(secret))}
	defer f.running.Wait()
	defer cancel()
	join := new(errgroup.Group)
	join.SetLimit(joining)
	for i := range count {
		join.Go(func() error { return f.join(ctx, fmt.Sprintf("fleet-%d", first+i+1)) })
	}
	if err := join.Wait(); err != nil {
		return err
	}
	encode := json.NewEncoder(out)
	if err := encode.Encode(f.look()); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := encode.Encode(f.look()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// flock are the followers of a process.
type flock struct {
	node    platform.NodeSettings
	secret  string
	running sync.WaitGroup

	mu     sync.Mutex
	buses  []*bus.Bus
	sights []sight
	live   []*follower.Follower
}

// sight: a follower that had applied the log through one epoch had applied it through another at that time, in Unix us.
type sight struct {
	From  uint64 `json:"f"`
	Epoch uint64 `json:"e"`
	At    int64  `json:"t"`
}

// seen is what a process of followers says.
type seen struct {
	Followers int         `json:"followers"`
	Sights    []sight     `json:"sights"` // since it was asked last
	Traffic   bus.Traffic `json:"traffic"`
	Fetches   uint64      `json:"fetches"` // entries that did not come by themselves
}

// join starts a follower, with an edge's settings but for how often it renews, and returns when it may serve.
func (f *flock) join(ctx context.Context, name string) error {
	b, err := bus.Connect(ctx, bus.Config{URL: f.node.NATSURL, SeedFile: f.node.NATSSeedFile, Name: name, Role: "edge"})
	if err != nil {
		return err
	}
	n, err := follower.New(follower.Config{
		Node: name, Tier: "edge", Region: "r1", Addr: "127.0.0.1:1", ControlURL: f.node.ControlURL, TierToken: f.secret, Member: true,
		Capacity: indexCapacity, RenewInterval: slower * controllog.RenewInterval,
	}, follower.Deps{Bus: b, Log: slog.New(slog.DiscardHandler), Health: runner.NewHealth(), Applied: f.watch()})
	if err != nil {
		b.Close()
		return err
	}
	f.mu.Lock()
	f.buses, f.live = append(f.buses, b), append(f.live, n)
	f.mu.Unlock()
	ready := make(chan struct{})
	f.running.Go(func() {
		defer b.Close()
		_ = n.Run(ctx, func() { close(ready) }) // ends with ctx
	})
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch makes what notes how far one follower has applied the log.
func (f *flock) watch() (saw func(epoch uint64)) {
	last := uint64(0) // of one goroutine
	return func(epoch uint64) {
		s := sight{last, epoch, time.Now().UnixMicro()}
		last = epoch
		f.mu.Lock()
		defer f.mu.Unlock()
		f.sights = append(f.sights, s)
	}
}

// look is what was seen since the last look.
func (f *flock) look() seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := seen{Followers: len(f.live), Sights: f.sights}
	f.sights = nil
	for i, b := range f.buses {
		s.Traffic = s.Traffic.Plus(b.Traffic())
		s.Fetches += f.live[i].Stats().Fetches.Load()
	}
	return s
}
