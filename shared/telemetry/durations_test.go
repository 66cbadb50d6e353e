package telemetry

import (
	"strings"
	"testing"
	"time"
	"unsafe"
)

func TestDurations_AreServedAsAHistogram(t *testing.T) {
	tel := open(t, Config{}, "edge")
	d := tel.NewDurations("tiercache_request_duration", "How long requests took.", "outcome", "hit", "miss")
	d.Record(0, 100*time.Microsecond)
	d.Record(0, 101*time.Microsecond)
	d.Record(0, -time.Second)
	d.Record(1, time.Hour)
	text := scrape(t, tel)
	for _, want := range []string{
		`tiercache_request_duration_seconds_bucket{outcome="hit",le="0.0001"} 2`,
		`tiercache_request_duration_seconds_bucket{outcome="hit",le="0.0002"} 3`,
		`tiercache_request_duration_seconds_count{outcome="hit"} 3`,
		`tiercache_request_duration_seconds_bucket{outcome="miss",le="13.1072"} 0`,
		`tiercache_request_duration_seconds_bucket{outcome="miss",le="+Inf"} 1`,
		`tiercache_request_duration_seconds_sum{outcome="miss"} 3600`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in:\n%s", want, grep(text, "request_duration"))
		}
	}
}

func grep(text, part string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func TestDurations_RecordAllocatesNothing(t *testing.T) {
	d := open(t, Config{}, "edge").NewDurations("x", "", "outcome", "hit")
	if n := testing.AllocsPerRun(100, func() { d.Record(0, time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCells_FillWholePairsOfCacheLines(t *testing.T) {
	if n := unsafe.Sizeof(durationCell{}); n%128 != 0 {
		t.Errorf("durationCell has %d bytes", n)
	}
	if n := unsafe.Sizeof(cell{}); n != 128 {
		t.Errorf("cell has %d bytes", n)
	}
}

func BenchmarkDurations_Record(b *testing.B) {
	d := open(b, Config{}, "edge").NewDurations("x", "", "outcome", "hit")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			d.Record(0, time.Millisecond)
		}
	})
}
