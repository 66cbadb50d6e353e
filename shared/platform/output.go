package platform

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// lineLimit bounds what is kept of one line, in bytes.
	lineLimit = 4 << 10
	// A child may show loudLimit lines each loudWindow; the rest is in its log only.
	loudLimit  = 5
	loudWindow = 10 * time.Second
)

// output takes what one service's children print: all of it to a log file of bounded size, the lines that
// people should see to them, the last one kept for a post-mortem.
type output struct {
	loud func(line string) bool
	show func(line string)

	mu struct {
		sync.Mutex
		log    *logFile
		part   []byte    // a line whose end has not come
		last   string    // the last line that is not empty
		window time.Time // when the current loudWindow began
		shown  int       // lines in it
		hidden int
	}
}

func openOutput(path string, loud func(string) bool, show func(string)) (*output, error) {
	log, err := openLog(path)
	if err != nil {
		return nil, err
	}
	o := &output{loud: loud, show: show}
	o.mu.log = log
	return o, nil
}

// Write never fails: a full disk must not stop the child, which would block or die on its output.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.log.write(b)
	rest := b
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		o.mu.part = append(o.mu.part, line[:min(len(line), lineLimit-len(o.mu.part))]...)
		if !found {
			return len(b), nil
		}
		o.line(string(o.mu.part), time.Now())
		o.mu.part = o.mu.part[:0]
		rest = after
	}
}

func (o *output) line(line string, now time.Time) {
	if strings.TrimSpace(line) == "" {
		return
	}
	o.mu.last = line
	if o.loud != nil && o.loud(line) {
		o.showLimited(line, now)
	}
}

func (o *output) showLimited(line string, now time.Time) {
	if now.Sub(o.mu.window) >= loudWindow {
		if o.mu.hidden > 0 {
			o.show(fmt.Sprintf("(%d more lines are in its log)", o.mu.hidden))
		}
		o.mu.window, o.mu.shown, o.mu.hidden = now, 0, 0
	}
	if o.mu.shown >= loudLimit {
		o.mu.hidden++
		return
	}
	o.mu.shown++
	o.show(line)
}

// lastLine is the last line that was printed, or a part of one.
func (o *output) lastLine() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if part := strings.TrimSpace(string(o.mu.part)); part != "" {
		return part
	}
	return o.mu.last
}

// Close closes the log.
func (o *output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.log.close()
}
