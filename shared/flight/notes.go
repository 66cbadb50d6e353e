package flight

import (
	"context"
	"sync"
)

// notes are what a fill says before its result. The zero value is ready to use.
type notes struct {
	mu struct {
		sync.Mutex
		list []any
		more chan struct{} // closed by the next note; nil: nobody waits for it
	}
}

func (n *notes) add(note any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.list = append(n.mu.list, note)
	if n.mu.more != nil {
		close(n.mu.more)
		n.mu.more = nil
	}
}

// behind returns the notes behind the first i, and a channel that the next one closes.
func (n *notes) behind(i int) (list []any, more <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.more == nil {
		n.mu.more = make(chan struct{})
	}
	return n.mu.list[i:], n.mu.more
}

// Note says something before the result, to all that follow and to those that will before there is a result. It never
// waits for any of them. The flight keeps all notes: who makes them bounds how many there are. What they are is between
// the fill and those that follow.
func (f *Flight[T]) Note(note any) { f.notes.add(note) }

// Follow is Wait, and calls hear with each note meanwhile, in order and in the caller's goroutine. Once the result is
// there, notes that were not heard yet have come too late.
func (f *Flight[T]) Follow(ctx context.Context, hear func(note any)) (T, error) {
	for heard := 0; ; {
		list, more := f.notes.behind(heard)
		for _, note := range list {
			if f.isPublished() {
				return f.Wait(ctx)
			}
			hear(note)
		}
		if heard += len(list); len(list) == 0 && f.ends(ctx, more) {
			return f.Wait(ctx)
		}
	}
}

// ends returns true when there is a result or the context has ended, false when there are more notes.
func (f *Flight[T]) ends(ctx context.Context, more <-chan struct{}) bool {
	select {
	case <-f.published:
		return true
	case <-ctx.Done():
		return true
	case <-more:
		return false
	}
}

func (f *Flight[T]) isPublished() bool {
	select {
	case <-f.published:
		return true
	default:
		return false
	}
}
