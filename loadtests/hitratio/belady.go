package hitratio

import (
	"container/heap"
	"math"
)

// belady returns how many requests the best possible policy answers, which knows the future: of the objects that it has
// and the one asked for, it gives up what is asked for last. All objects have one size; room is how many it can have.
func belady(requests []request, objects, room int) (hits int) {
	next := make([]int, len(requests)) // where the same object is asked for again
	last := make([]int, objects)
	for i := range last {
		last[i] = math.MaxInt
	}
	for i := len(requests) - 1; i >= 0; i-- {
		next[i], last[requests[i].object] = last[requests[i].object], i
	}
	due := make([]int, objects) // of what is held: when it is asked for again; else 0
	var queue latest
	held := 0
	for i, r := range requests {
		if due[r.object] != 0 {
			hits++
		} else {
			held++
		}
		due[r.object] = next[i]
		heap.Push(&queue, use{next[i], r.object})
		for held > room {
			if u := heap.Pop(&queue).(use); due[u.object] == u.at { // else it was asked for since
				due[u.object] = 0
				held--
			}
		}
	}
	return hits
}

type use struct {
	at     int
	object uint32
}

// latest is a heap with the latest use on top.
type latest []use

func (l latest) Len() int           { return len(l) }
func (l latest) Less(i, j int) bool { return l[i].at > l[j].at }
func (l latest) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *latest) Push(x any)        { *l = append(*l, x.(use)) }
func (l *latest) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}
