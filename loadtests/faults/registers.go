package faults

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkTime bounds the check of one register. It takes milliseconds; a history that no order explains takes longest.
const checkTime = time.Minute

// access is a read or a write of a register. Before the first, the register may have any value (state 0): what came before
// is not part of the history.
type access struct {
	write   bool
	version int // that was written
}

// register is an object as those see it who share a token jar: linearizable.
func register() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return 0 },
		Step: func(state, input, output any) (bool, any) {
			in := input.(access)
			if in.write {
				return true, in.version
			}
			return state == 0 || state == output, output
		},
		DescribeOperation: func(input, output any) string {
			if in := input.(access); in.write {
				return fmt.Sprintf("write %d", in.version)
			}
			return fmt.Sprintf("read %d", output)
		},
		DescribeState: func(state any) string { return fmt.Sprint(state) },
	}
}

// judgeRegisters checks each object for those who share its jar. A picture of what cannot be ordered is kept.
func (e *evidence) judgeRegisters(dir string) error {
	for _, p := range pages() {
		if !p.Own {
			continue
		}
		for i, operations := range e.operations(p.Name, jarOf(p)) {
			result, picture := porcupine.CheckOperationsVerbose(register(), operations, checkTime)
			if result == porcupine.Ok {
				continue
			}
			file := filepath.Join(dir, fmt.Sprintf("register-%s-%d.html", slug(p.Name), i+1))
			out, err := os.Create(file)
			if err != nil {
				return err
			}
			err = porcupine.Visualize(register(), picture, out)
			if closed := out.Close(); err == nil {
				err = closed
			}
			if err != nil {
				return err
			}
			e.violation("register: no order of the %d reads and writes of %s by those who share %s explains what they saw (%s): %s", len(operations), p.Name, jarOf(p), result, file)
		}
	}
	return nil
}

// operations are the reads and writes of a page with its jar, apart for the times between losses: a loss is no operation of
// a register.
func (e *evidence) operations(page, jar string) [][]porcupine.Operation {
	spans := e.spans()
	list := make([][]porcupine.Operation, len(spans))
	clients := map[string]int{}
	for i, s := range spans {
		for _, l := range e.lines {
			if l.Page != page || l.Start < s.from || l.Start >= s.to {
				continue
			}
			if _, known := clients[l.Client]; !known {
				clients[l.Client] = len(clients)
			}
			switch {
			case l.Op == opRead && l.Jar == jar && l.Status == 200 && l.Start >= s.reads && l.End < s.to:
				list[i] = append(list[i], porcupine.Operation{ClientId: clients[l.Client], Input: access{}, Output: l.Version, Call: l.Start, Return: l.End})
			case l.Op == opWrite && !l.Unknown && l.Status < 300 && l.Status > 0:
				list[i] = append(list[i], porcupine.Operation{ClientId: clients[l.Client], Input: access{write: true, version: l.Version}, Call: l.Start, Return: l.End})
			case l.Op == opWrite && l.Unknown && e.came(l):
				// Perhaps it was done long after its client gave up, but before the next one was.
				list[i] = append(list[i], porcupine.Operation{ClientId: clients[l.Client], Input: access{write: true, version: l.Version}, Call: l.Start, Return: e.nextWrite(l, s.to)})
			}
		}
	}
	return list
}

// span is a time between two losses. Reads count from when all was well again; what is written counts before.
type span struct{ from, reads, to int64 }

func (e *evidence) spans() (list []span) {
	last := span{to: 1<<63 - 1}
	var losses []*line
	for _, l := range e.lines {
		if l.Op == opLoss {
			losses = append(losses, l)
		}
	}
	slices.SortFunc(losses, func(a, b *line) int { return cmp.Compare(a.Start, b.Start) })
	for _, l := range losses {
		before := last
		before.to = l.Start
		list = append(list, before)
		last.from, last.reads = l.Start, l.End
	}
	return append(list, last)
}

// came reports whether a write that was not answered was done, and is not in the history as such.
func (e *evidence) came(unknown *line) bool {
	seen := e.bodies[body(unknown.Page, unknown.Version)]
	for _, l := range e.lines {
		if l.Page != unknown.Page || l.Version != unknown.Version || l.Unknown {
			continue
		}
		if l.Op == opWrite {
			return false
		}
		seen = seen || l.Op == opRead
	}
	return seen
}

// nextWrite is when the next write of the page was done.
func (e *evidence) nextWrite(unknown *line, otherwise int64) int64 {
	for _, l := range e.lines {
		if l.Op == opWrite && l.Page == unknown.Page && l.Version > unknown.Version && !l.Unknown && l.Status < 300 && l.Status > 0 {
			return l.End
		}
	}
	return otherwise
}

func slug(name string) string {
	out := []byte(name)
	for i, c := range out {
		if c == '/' || c == '.' {
			out[i] = '-'
		}
	}
	return string(out)
}
