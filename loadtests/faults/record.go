package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"tiercache/shared/controllog"
)

// Kinds of lines of a history.
const (
	opRead  = "read"
	opWrite = "write" // of an object of the origin
	opPurge = "purge" // through control's API, or in SQL
	opSite  = "site"  // the site has a new version of a page
	opFault = "fault"
	opLoss  = "loss" // a database with less in it is in the place of the last one
	opTerm  = "term" // one was seen that was not there before
	opLog   = "log"  // an entry of the log as it is at the end
	opBody  = "body" // a version of an object that the origin has at the end
)

// line is a line of a history. Times are nanoseconds of the monotonic clock since the run began.
type line struct {
	Op     string `json:"op"`
	Client string `json:"client,omitempty"`
	Node   string `json:"node,omitempty"` // that was asked
	Start  int64  `json:"start"`
	End    int64  `json:"end,omitempty"`
	Status int    `json:"status,omitempty"` // of HTTP; 0: no answer
	Error  string `json:"error,omitempty"`

	Page    string `json:"page,omitempty"`
	Query   string `json:"query,omitempty"`
	Jar     string `json:"jar,omitempty"` // whose highest epoch was sent along
	Token   uint64 `json:"token,omitempty"`
	Version int    `json:"version,omitempty"`
	Stamp   uint64 `json:"stamp,omitempty"`
	Cache   string `json:"cache,omitempty"` // the last member of Cache-Status
	Alone   bool   `json:"alone,omitempty"` // the node was started again since the run began

	ID         string            `json:"id,omitempty"`
	Epoch      uint64            `json:"epoch,omitempty"`
	Prev       uint64            `json:"prev,omitempty"`
	Purge      *controllog.Purge `json:"purge,omitempty"`
	Floors     map[string]int    `json:"floors,omitempty"`
	RolledBack bool              `json:"rolled_back,omitempty"`
	// Unknown: it was not answered, and nobody knows whether it was done.
	Unknown   bool              `json:"unknown,omitempty"`
	Completed int64             `json:"completed,omitempty"` // when all receipts were there
	Receipts  map[string]string `json:"receipts,omitempty"`

	Kind   string `json:"kind,omitempty"` // of a fault, or of an entry
	What   string `json:"what,omitempty"`
	Lifted int64  `json:"lifted,omitempty"`
	Well   int64  `json:"well,omitempty"` // when everything was in order again; 0: it was not
}

// recorder writes a history.
type recorder struct {
	start time.Time

	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer
	err  error // the first
}

func newRecorder(path string) (*recorder, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &recorder{start: time.Now(), file: file, out: bufio.NewWriter(file)}, nil
}

// now is the time of the history.
func (r *recorder) now() int64 { return int64(time.Since(r.start)) }

// add adds a line.
func (r *recorder) add(l *line) {
	text, err := json.Marshal(l)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		_, err = r.out.Write(append(text, '\n'))
	}
	if r.err == nil {
		r.err = err
	}
}

// close writes the rest.
func (r *recorder) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.err, r.out.Flush(), r.file.Close())
}
