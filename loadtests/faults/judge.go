package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"tiercache/loadtests/history"
	"tiercache/shared/controllog"
)

// evidence is a history as the checker takes it.
type evidence struct {
	lines   []*line
	pages   map[string]*history.Page
	history *history.History
	log     map[string]uint64 // epochs at the end, by id without the number of the part
	bodies  map[string]bool   // "page=version" that the origin has at the end
	invoked map[*history.Write]time.Time
	found   []string
}

// epochStart is when a history begins, as a time: its lines count from there.
func epochStart() time.Time { return time.Unix(0, 0).UTC() }

func moment(ns int64) time.Time { return epochStart().Add(time.Duration(ns)) }

// Judge judges the history in the evidence of a run.
func Judge(cfg *Config) (*Report, error) {
	e := &evidence{pages: map[string]*history.Page{}, log: map[string]uint64{}, bodies: map[string]bool{}, invoked: map[*history.Write]time.Time{}}
	for _, p := range pages() {
		e.pages[p.Name] = p
	}
	if err := e.read(cfg.historyFile()); err != nil {
		return nil, err
	}
	e.history = &history.History{Start: epochStart(), Strict: "strict", Commits: map[string]map[int]time.Time{}}
	for _, l := range e.lines {
		e.take(l)
	}
	e.judgeLog()
	e.judgeAnswers()
	e.findLost()
	e.judgeTerms()
	e.dropTerms()
	e.history.Judge(e.violation)
	e.history.Monotonic(e.violation)
	if err := e.judgeRegisters(cfg.Evidence); err != nil {
		return nil, err
	}
	e.judgeFaults()
	return e.report(cfg), nil
}

func (e *evidence) violation(format string, args ...any) {
	e.found = append(e.found, fmt.Sprintf(format, args...))
}

// read reads the lines of a history.
func (e *evidence) read(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		l := new(line)
		if err := json.Unmarshal(lines.Bytes(), l); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
		e.lines = append(e.lines, l)
		switch l.Op {
		case opLog:
			id, _, _ := strings.Cut(l.ID, "/")
			e.log[id] = l.Epoch
		case opBody:
			e.bodies[body(l.Page, l.Version)] = true
		}
	}
	return lines.Err()
}

func body(page string, version int) string { return page + "=" + strconv.Itoa(version) }

// take takes a line into the history.
func (e *evidence) take(l *line) {
	h := e.history
	switch l.Op {
	case opSite:
		e.commit(l.Page, l.Version, l.Start)
	case opWrite:
		e.takeWrite(l)
	case opPurge:
		e.takePurge(l)
	case opTerm:
		h.Terms = append(h.Terms, &history.Write{ID: l.ID, Purge: controllog.Purge{All: true}, Soft: l.Kind == "soft", Committed: moment(l.Start), Epoch: l.Epoch, Purges: l.Kind != ""})
	case opLoss:
		h.Losses = append(h.Losses, history.Loss{At: moment(l.Start), Took: func(page string, version int, _ time.Time) bool {
			return e.pages[page].Own && !e.bodies[body(page, version)]
		}})
	case opFault:
		if l.Kind == clockFault {
			h.SetBack = maxStep // each clock is right again before the next one is set
		}
	case opRead:
		if l.Status == 200 {
			h.Reads = append(h.Reads, e.readOf(l))
		}
	}
}

func (e *evidence) readOf(l *line) *history.Read {
	return &history.Read{
		Client: l.Client, Node: l.Node, Page: e.pages[l.Page], Query: l.Query, Jar: l.Jar, Token: l.Token, Start: moment(l.Start), End: moment(l.End),
		Alone: l.Alone, Version: l.Version, Stamp: l.Stamp, CacheStatus: l.Cache,
		Stale:        strings.Contains(l.Cache, "stale-if-error") || strings.Contains(l.Cache, "ttl=-") || strings.Contains(l.Cache, "ttl=0"),
		Disconnected: strings.Contains(l.Cache, "disconnected"),
	}
}

func (e *evidence) commit(page string, version int, at int64) {
	if e.history.Commits[page] == nil {
		e.history.Commits[page] = map[int]time.Time{}
	}
	e.history.Commits[page][version] = moment(at)
}

// takeWrite takes the write of an object. One that was not answered may have been committed since it was sent, and nothing
// is demanded of it.
func (e *evidence) takeWrite(l *line) {
	if l.Unknown {
		if _, known := e.history.Commits[l.Page][l.Version]; !known {
			e.commit(l.Page, l.Version, l.Start)
		}
		return
	}
	if l.Status >= 300 {
		return
	}
	e.commit(l.Page, l.Version, l.End)
	p := e.pages[l.Page]
	w := &history.Write{
		ID: body(l.Page, l.Version), Purge: controllog.Purge{URLs: []controllog.URL{{Host: p.Host, Path: p.Path}}}, Purges: true,
		Committed: moment(l.End), Floors: map[string]int{l.Page: l.Version}, Epoch: l.Epoch, Receipts: l.Receipts,
	}
	if l.Completed > 0 {
		w.Completed = moment(l.Completed)
	}
	e.history.Writes = append(e.history.Writes, w)
	e.invoked[w] = moment(l.Start)
}

func (e *evidence) takePurge(l *line) {
	if l.Unknown {
		return
	}
	w := &history.Write{
		ID: l.ID, Purge: *l.Purge, Soft: l.Purge.Mode == "soft", Purges: true, RolledBack: l.RolledBack, Committed: moment(l.End), Floors: l.Floors,
		Epoch: max(l.Epoch, e.log[l.ID]), Receipts: l.Receipts,
	}
	if l.Completed > 0 {
		w.Completed = moment(l.Completed)
	}
	e.history.Writes = append(e.history.Writes, w)
	e.invoked[w] = moment(l.Start)
}

// judgeLog wants the whole log at the end: what was compacted could not be told from what was lost.
func (e *evidence) judgeLog() {
	head := uint64(0)
	for _, l := range e.lines {
		if l.Op != opLog {
			continue
		}
		if l.Prev != head {
			e.violation("log: %s of epoch %d follows %d, and the entry before it is that of %d", l.ID, l.Epoch, l.Prev, head)
			return
		}
		head = l.Epoch
	}
}

// judgeAnswers wants content, or an error of a server: all pages exist, all the time. At the end nothing is broken any more, and
// each edge has content.
func (e *evidence) judgeAnswers() {
	for _, l := range e.lines {
		if l.Op == opRead && (l.Status != 0 && l.Status != 200 && l.Status < 500 || l.Client == probe && l.Status != 200) {
			e.violation("answers: %s was told %d of %s by %s at %v %s", l.Client, l.Status, l.Page, l.Node, time.Duration(l.Start), l.Error)
		}
	}
}

// findLost finds what a restore took back: what was committed before it and is not there at the end. Without one, nothing
// may be lost; and what was rolled back may not be there. A commit comes before its answer: one that waited for receipts may
// have been taken back by then.
func (e *evidence) findLost() {
	for _, w := range e.history.Writes {
		_, object := w.Floors[strings.Split(w.ID, "=")[0]]
		_, there := e.log[w.ID]
		if object && strings.Contains(w.ID, "=") {
			there = e.bodies[w.ID]
		}
		switch {
		case w.RolledBack && there:
			e.violation("G1: %s was rolled back and is in the log", w.ID)
		case w.RolledBack || there:
		case e.lossAfter(e.invoked[w]):
			w.Lost = true
		default:
			e.violation("G1: %s was committed at %v and is not there", w.ID, w.Committed.Sub(epochStart()))
		}
	}
}

// judgeTerms wants everything purged after a loss that took back what all had applied. Nobody knows what that said.
func (e *evidence) judgeTerms() {
	for _, w := range e.history.Writes {
		purged := slices.ContainsFunc(e.history.Terms, func(term *history.Write) bool { return term.Purges && term.Epoch > w.Epoch })
		if w.Lost && w.Epoch > 0 && !w.Completed.IsZero() && !purged {
			e.violation("loss: %s of epoch %d had all receipts and was lost, and no term has purged everything since", w.ID, w.Epoch)
		}
	}
}

// dropTerms forgets terms that came with a restored database and have numbers that the lost branch had as well: what is
// stamped with them may be of either. Another term follows, once somebody has found that out.
func (e *evidence) dropTerms() {
	h := e.history
	for _, loss := range h.Losses {
		highest := uint64(0)
		for _, d := range h.Reads {
			if d.End.Before(loss.At) {
				highest = max(highest, d.Stamp)
			}
		}
		h.Terms = slices.DeleteFunc(h.Terms, func(term *history.Write) bool {
			return loss.At.Before(term.Committed) && term.Epoch <= highest
		})
	}
}

func (e *evidence) lossAfter(at time.Time) bool {
	for _, l := range e.history.Losses {
		if at.Before(l.At) {
			return true
		}
	}
	return false
}

// judgeFaults wants the fleet to be well again in time after each fault.
func (e *evidence) judgeFaults() {
	for _, l := range e.lines {
		if l.Op == opFault && l.Well == 0 {
			e.violation("recovery: %v after %s (%s) was over: %s", wellTime, l.Kind, l.What, l.Error)
		}
	}
}
