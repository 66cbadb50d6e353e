package backup

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"time"
)

// serverLog reads what a server prints while it recovers.
type serverLog struct {
	say   func(string, ...any)
	total int // segments that there are to replay

	mu struct {
		sync.Mutex
		part     []byte // a line whose end has not come
		lines    []string
		restored int
		said     time.Time
		commit   time.Time
	}
}

const (
	keptLines = 12
	maxLine   = 4 << 10
)

var (
	restoredLine = regexp.MustCompile(`restored log file "([0-9A-F]{24})" from archive`)
	commitLine   = regexp.MustCompile(`(?:last completed transaction was at log time|recovery stopping (?:before|after) commit of transaction \d+, time) (\S+ \S+)`)
	prefix       = regexp.MustCompile(`^\S+ \S+ UTC \[\d+\] `)
)

// Write implements io.Writer.
func (l *serverLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := b; ; {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		l.mu.part = append(l.mu.part, line[:min(len(line), maxLine-len(l.mu.part))]...)
		if !found {
			return len(b), nil
		}
		l.line(prefix.ReplaceAllString(string(l.mu.part), ""))
		l.mu.part, rest = l.mu.part[:0], after
	}
}

func (l *serverLog) line(line string) {
	l.mu.lines = append(l.mu.lines, line)
	l.mu.lines = l.mu.lines[max(0, len(l.mu.lines)-keptLines):]
	if m := commitLine.FindStringSubmatch(line); m != nil && strings.Contains(line, "last completed") {
		if at, err := time.Parse("2006-01-02 15:04:05.999999-07", strings.Replace(m[1], "UTC", "+00", 1)); err == nil {
			l.mu.commit = at.UTC()
		}
	}
	if m := restoredLine.FindStringSubmatch(line); m != nil {
		l.mu.restored++
		if time.Since(l.mu.said) > time.Second {
			l.mu.said = time.Now()
			l.say("replaying: segment %d of %d (%s)", l.mu.restored, max(l.total, l.mu.restored), m[1])
		}
	}
}

// last is what it printed last, in one line.
func (l *serverLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.mu.lines, "; ")
}

// lastCommit is when the last transaction that was replayed was committed.
func (l *serverLog) lastCommit() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.commit
}
