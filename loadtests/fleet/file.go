package fleet

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tiercache/loadtests/processes"
)

// writeFile writes what from has.
func writeFile(path string, from io.WriterTo) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	_, err = from.WriteTo(f)
	return err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// What the fleet is of that the figures are carried over to.
const (
	million   = 1_000_000
	perRegion = 1000
)

// Save writes the tables, the figures and the plot into a folder, in files that carry the date.
func (r Report) Save(folder string, now time.Time) (names []string, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	machine := processes.Machine()
	base := filepath.Join(folder, "fleet-"+now.Format("2006-01-02"))
	table := fmt.Sprintf("%s, %s; servers and followers on the one machine; renewals at 1/%d of their rate\n\n%s\n%s", now.Format("2006-01-02 15:04"), machine, r.Slower, r, r.Paper(million, perRegion))
	for ending, text := range map[string]string{".txt": table, ".csv": r.CSV()} {
		if err := os.WriteFile(base+ending, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return []string{base + ".txt", base + ".csv", base + ".png"}, r.Plot(base+".png", machine)
}
