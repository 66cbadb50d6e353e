package hitratio

import (
	"container/list"
	"fmt"

	"github.com/maypok86/otter/v2"
)

// cache is what is compared. Nobody else uses it at the same time.
type cache interface {
	// ask looks an object up, and stores it if it is not there. It says whether it was. size is in bytes.
	ask(object uint64, size int) (bool, error)
}

// lru is the textbook's: the object that was not asked for for longest goes.
type lru struct {
	room  int // bytes that are left
	order *list.List
	at    map[uint64]*list.Element
}

type weighed struct {
	object uint64
	size   int
}

func newLRU(budget int64) (cache, error) {
	return &lru{room: int(budget), order: list.New(), at: map[uint64]*list.Element{}}, nil
}

func (c *lru) ask(object uint64, size int) (bool, error) {
	if e, ok := c.at[object]; ok {
		c.order.MoveToFront(e)
		return true, nil
	}
	c.at[object] = c.order.PushFront(weighed{object, size})
	for c.room -= size; c.room < 0; {
		gone := c.order.Remove(c.order.Back()).(weighed)
		delete(c.at, gone.object)
		c.room += gone.size
	}
	return false, nil
}

// tinyLFU is W-TinyLFU as otter has it. It holds sizes for objects: what it would cost itself is not counted.
type tinyLFU struct{ cache *otter.Cache[uint64, uint32] }

func newTinyLFU(budget int64) (cache, error) {
	c, err := otter.New(&otter.Options[uint64, uint32]{
		MaximumWeight: uint64(budget),
		Weigher:       func(_ uint64, size uint32) uint32 { return size },
		Executor:      func(work func()) { work() }, // at once: every request counts before the next one
	})
	if err != nil {
		return nil, fmt.Errorf("otter: %w", err)
	}
	return tinyLFU{c}, nil
}

func (c tinyLFU) ask(object uint64, size int) (bool, error) {
	if _, ok := c.cache.GetIfPresent(object); ok {
		return true, nil
	}
	c.cache.Set(object, uint32(size))
	return false, nil
}
