package platform

import (
	"fmt"
	"os"
)

// logLimit is the size from which on a log file is set aside as NAME.1, in place of the one before: a
// service keeps at most twice as much.
const logLimit = 8 << 20

// logFile is an append-only file of bounded size. It is not safe for concurrent use.
type logFile struct {
	path string
	file *os.File
	size int64
}

func openLog(path string) (*logFile, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &logFile{path: path, file: file, size: info.Size()}, nil
}

// write appends b. What cannot be written is lost: a log must not stop what it is about.
func (l *logFile) write(b []byte) {
	if l.size+int64(len(b)) > logLimit {
		l.rotate()
	}
	n, _ := l.file.Write(b)
	l.size += int64(n)
}

// rotate sets the full file aside; where that fails, it is emptied.
func (l *logFile) rotate() {
	if err := os.Rename(l.path, l.path+".1"); err == nil {
		if next, err := openLog(l.path); err == nil {
			_ = l.file.Close() // its content is on disk or lost already
			*l = *next
			return
		}
	}
	if err := l.file.Truncate(0); err == nil {
		l.size = 0
	}
}

func (l *logFile) close() error { return l.file.Close() }
