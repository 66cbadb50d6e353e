package scenarios

import (
	"slices"
	"strings"
	"time"

	"tiercache/loadtests/processes"
)

// memoryInterval is how often the memory of the edges is read.
const memoryInterval = time.Second

// Memory is what the largest edge had in memory: resident, in bytes.
type Memory struct {
	Most, Last int64
}

// memoryWatch reads the memory of a platform's edges until it is stopped.
type memoryWatch struct {
	done chan struct{}
	read chan []int64 // sent once, at the end
}

func watchMemory(pid int) *memoryWatch {
	w := &memoryWatch{make(chan struct{}), make(chan []int64, 1)}
	go func() {
		ticker := time.NewTicker(memoryInterval)
		defer ticker.Stop()
		sizes := []int64{largestEdge(processes.All(), pid)}
		for {
			select {
			case <-w.done:
				w.read <- append(sizes, largestEdge(processes.All(), pid))
				return
			case <-ticker.C:
				sizes = append(sizes, largestEdge(processes.All(), pid))
			}
		}
	}()
	return w
}

func (w *memoryWatch) stop() Memory {
	close(w.done)
	sizes := <-w.read
	return Memory{Most: slices.Max(sizes), Last: sizes[len(sizes)-1]}
}

// largestEdge is of the edges that pid has started.
func largestEdge(all map[int]processes.Process, pid int) (largest int64) {
	for id, p := range all {
		if words := strings.Fields(p.Command); len(words) > 1 && words[1] == "edge" && processes.Descends(all, id, pid) {
			largest = max(largest, p.Private+p.Shared)
		}
	}
	return largest
}
