package hitratio

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// defaultSize is the size in bytes of an object whose trace has none.
const defaultSize = 1 << 10

// request is one line of a trace.
type request struct {
	object uint32 // counted from 0 in the order of their first requests
	size   int32  // in bytes, at least 1
}

// Trace is what was asked for, in order.
type Trace struct {
	Name     string
	Sized    bool // the trace says how large objects are
	Objects  int
	Bytes    int64 // of all objects, each with the largest size that it had
	requests []request
}

// readTraces reads all traces (*.gz) of a folder, in the order of their names.
func readTraces(folder string) ([]Trace, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.gz"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no traces (*.gz) in %q", folder)
	}
	traces := make([]Trace, len(paths))
	for i, path := range paths {
		if traces[i], err = readTrace(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return traces, nil
}

func readTrace(path string) (t Trace, err error) {
	f, err := os.Open(path)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return t, err
	}
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return parse(name, z)
}

// parse reads lines of "KEY" or "KEY SIZE". Objects of size 0 count as 1 byte.
func parse(name string, from io.Reader) (Trace, error) {
	t := Trace{Name: name}
	objects := map[string]uint32{}
	var sizes []int32
	lines := bufio.NewScanner(from)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		size := defaultSize
		if len(fields) > 1 {
			var err error
			if size, err = strconv.Atoi(fields[1]); err != nil || size < 0 || size > 1<<30 {
				return t, fmt.Errorf("line %d: a size of %q", n, fields[1])
			}
			t.Sized = true
		}
		object, known := objects[fields[0]]
		if !known {
			object = uint32(len(sizes))
			objects[fields[0]] = object
			sizes = append(sizes, 0)
		}
		r := request{object: object, size: int32(max(size, 1))}
		sizes[object] = max(sizes[object], r.size)
		t.requests = append(t.requests, r)
	}
	t.Objects = len(sizes)
	for _, size := range sizes {
		t.Bytes += int64(size)
	}
	if len(t.requests) == 0 {
		return t, errors.New("a trace without requests")
	}
	return t, lines.Err()
}
