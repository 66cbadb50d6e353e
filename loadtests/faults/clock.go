package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tiercache/loadtests/switches"
)

// clockEnv names the file that says by how many seconds the wall clock of a node is wrong. The code that ships reads the
// machine's clock, which faults must leave alone; the binary of a run is built with another one in its place.
const clockEnv = "TIERCACHE_FAULTS_CLOCK"

// clockSource is what now is in a package whose clock is replaced: the time, with the monotonic clock as it is and the wall
// clock set by what the file says.
const clockSource = `package %[1]s

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

var clockStep = func() *atomic.Int64 {
	step := new(atomic.Int64)
	file := os.Getenv(%[2]q)
	read := func() {
		content, err := os.ReadFile(file)
		n, parse := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
		if err == nil && parse == nil {
			step.Store(n)
		}
	}
	if file != "" {
		read()
		go func() {
			for range time.Tick(20 * time.Millisecond) {
				read()
			}
		}()
	}
	return step
}()

func steppedNow() time.Time {
	t := time.Now()
	// A time that has both clocks has the seconds of its wall clock in these bits.
	layout := (*struct{ wall uint64; ext int64; loc *time.Location })(unsafe.Pointer(&t))
	layout.wall += uint64(clockStep.Load()) << 30
	return t
}
`

// withClock puts that clock into an overlay: where leases end, responses age, and next tiers are given up.
func withClock(o *switches.Overlay) error {
	for file, is := range map[string]string{
		"shared/follower/follower.go": "f.now = time.Now", "shared/proxy/config.go": "p.now = time.Now", "edge/peers/peers.go": "now: time.Now",
	} {
		if err := o.Replace(switches.Change{File: file, Is: is, Becomes: strings.Replace(is, "time.Now", "steppedNow", 1)}); err != nil {
			return fmt.Errorf("the clock: %w", err)
		}
		folder := filepath.Dir(file)
		o.Add(filepath.Join(folder, "stepped_clock.go"), fmt.Sprintf(clockSource, filepath.Base(folder), clockEnv))
	}
	return nil
}

// clockFile is where a host's clock is set.
func clockFile(name string) string { return filepath.Join(scratch, "clocks", name) }

// setClock sets it, in seconds from what is right. The file is replaced as a whole: half of a number is another one.
func setClock(name string, seconds int) error {
	file := clockFile(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", fmt.Appendf(nil, "%+d\n", seconds), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
