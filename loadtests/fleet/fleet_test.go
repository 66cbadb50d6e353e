package fleet

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiercache/shared/bus"
)

func TestTook_SortsWhatWasSeenByPurge(t *testing.T) {
	purges := []committed{{epoch: 10, at: 1000}, {epoch: 11, at: 2000}}
	got := took(purges, []sight{{0, 9, 900}, {9, 11, 5000}, {9, 10, 1500}, {10, 11, 2100}, {11, 12, 9000}})
	want := [][]time.Duration{{500 * time.Microsecond, 4 * time.Millisecond}, {100 * time.Microsecond, 3 * time.Millisecond}}
	for i := range want {
		if len(got[i]) != 2 || got[i][0] != want[i][0] || got[i][1] != want[i][1] {
			t.Errorf("purge %d: %v, want %v", i, got[i], want[i])
		}
	}
	var m Measured
	m.quantify(got)
	if m.LastMax != 4*time.Millisecond || m.HalfP50 != 4*time.Millisecond {
		t.Errorf("%+v", m)
	}
}

// The bytes that go anyway are taken off what purges cost.
func TestCompare_TakesIdleOff(t *testing.T) {
	start := time.Unix(0, 0)
	at := func(s float64, cpu time.Duration, sent uint64) moment {
		u := usage{control: 3000, nats: 5000, followers: 8000}
		u.cpu.Control = cpu
		return moment{at: start.Add(time.Duration(s * float64(time.Second))), usage: u, traffic: bus.Traffic{OutBytes: sent}}
	}
	m := Measured{Followers: 2}
	m.compare(at(0, 0, 0), at(10, time.Second, 200), at(15, 2*time.Second, 500), usage{control: 1000, nats: 1000}, 5)
	if m.Idle.Sent != 10 || m.IdleCPU.Control != 100*time.Millisecond {
		t.Errorf("idle: %+v %+v", m.Idle, m.IdleCPU)
	}
	// 300 bytes of two followers are 150 of each, of which 5 s of 10 bytes are not the purges'; and 1 s of 5.
	if m.Purge.Sent != 20 || m.BusyCPU.Control != 200*time.Millisecond {
		t.Errorf("a purge: %+v, with purges %+v", m.Purge, m.BusyCPU)
	}
	if m.FollowerBytes != 4000 || m.NATSBytes != 2000 || m.ControlBytes != 1000 {
		t.Errorf("memory: %+v", m)
	}
}

func TestReport_TablesPaperAndPlot(t *testing.T) {
	r := Report{Slower: 10, Fleets: []Measured{{Followers: 10, LastP50: time.Millisecond}, {
		Followers: 100, LastP50: 2 * time.Millisecond, IdleCPU: CPU{Control: 10 * time.Millisecond}, BusyCPU: CPU{Control: 50 * time.Millisecond},
	}}}
	paper := r.Paper(1000, 100)
	for _, want := range []string{
		"renewals a second                           direct         2000  by region         20",
		"cores of control, idle                      direct          1.1  by region        0.0",
	} {
		if !strings.Contains(paper, want) {
			t.Errorf("no line %q in\n%s", want, paper)
		}
	}
	if r.Fleets[0].Followers = 10; strings.Count(r.CSV(), "\n") != 3 {
		t.Errorf("%s", r.CSV())
	}
	folder := t.TempDir()
	files, err := r.Save(filepath.Join(folder, "results"), time.Unix(0, 0))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	png, err := os.ReadFile(files[2])
	if err != nil || !strings.HasPrefix(string(png), "\x89PNG") {
		t.Errorf("the plot: %d bytes, %v", len(png), err)
	}
}

func TestConfig_SaysWhatIsWrong(t *testing.T) {
	for _, c := range []Config{{}, {Sizes: []int{0}, Purges: 1, Idle: time.Second}, {Sizes: []int{1}, Idle: time.Second}, {Sizes: []int{1}, Purges: 1}} {
		if c.Validate() == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// A server's processor time at 100, 1,000 and 5,000 followers, of which the last had too little of a processor.
func TestPaper_CoresByAllSizes(t *testing.T) {
	sizes := []Measured{{Followers: 100}, {Followers: 1000}, {Followers: 5000}}
	for i, spent := range []time.Duration{95, 208, 280} {
		sizes[i].IdleCPU.Control = spent * time.Millisecond
	}
	p := paper{&sizes[2], sizes, 10}
	for n, want := range map[int]float64{100: 0.208, 1000: 1.338, 3000: 1.698, 5000: 2.058, 1_000_000: 377.0} {
		if got := p.idleCores(n, ofControl); math.Abs(got/want-1) > 0.005 {
			t.Errorf("%d followers: %.3f cores, want %.3f", n, got, want)
		}
	}
	p.fleets = sizes[2:]
	if got := p.idleCores(1000, ofControl); math.Abs(got-0.56) > 0.001 {
		t.Errorf("by one size: %.3f cores", got)
	}
}
