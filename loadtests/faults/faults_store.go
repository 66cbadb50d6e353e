package faults

import (
	"context"
	"fmt"
)

// storeKinds are faults of L2.
func storeKinds() []kind {
	return []kind{
		{name: "redis-flush", alone: true, begin: flushStore},
		{name: "redis-old-dump", alone: true, begin: oldDump},
		{name: "redis-failover", alone: true, begin: failOver},
	}
}

func drawStore(t *trouble) (region string, s *store) {
	region = pick(t.draw, []string{"1", "2"})
	return region, t.fleet.stores[region]
}

// killStore and pauseStore are of the server that is an L2 now.
func killStore(_ context.Context, t *trouble) (string, lift, error) {
	_, s := drawStore(t)
	return killPart(s.part)
}

func pauseStore(_ context.Context, t *trouble) (string, lift, error) {
	_, s := drawStore(t)
	return pausePart(s.part)
}

// flushStore empties an L2.
func flushStore(_ context.Context, t *trouble) (string, lift, error) {
	region, s := drawStore(t)
	return "L2 of r" + region + " is flushed", func(context.Context) error { return nil }, s.flush()
}

// oldDump sets an L2 back to what it was a while ago.
func oldDump(_ context.Context, t *trouble) (string, lift, error) {
	region, s := drawStore(t)
	return fmt.Sprintf("L2 of r%s is dumped, and set back to that later", region), s.restore, s.dump()
}

// failOver makes a replica that lags take the place of an L2, of which it does not know the end.
func failOver(ctx context.Context, t *trouble) (string, lift, error) {
	f := t.fleet
	region, primary := drawStore(t)
	spare := "redis-" + region
	if primary.host == spare {
		spare = "replica-" + region
	}
	replica, err := f.newStore(ctx, spare)
	if err != nil {
		return "", nil, err
	}
	if err := replica.part.start(); err != nil {
		return "", nil, err
	}
	if err := replica.part.await(ctx, serverTime); err != nil {
		return "", nil, err
	}
	if err := replica.follow(ctx, primary); err != nil {
		return "", nil, err
	}
	// From here on it hears of nothing.
	if err := replica.part.host.cut(ctx, "lag", []string{addr(primary.host)}, true, true); err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("the replica of L2 of r%s lags, and takes its place later", region), func(ctx context.Context) error {
		if err := primary.part.kill(); err != nil {
			return err
		}
		if err := replica.part.host.set(ctx, "lag"); err != nil {
			return err
		}
		if err := replica.promote(); err != nil {
			return err
		}
		f.stores[region] = replica
		return f.relays["redis-"+region].lead(address(replica.host))
	}, nil
}
