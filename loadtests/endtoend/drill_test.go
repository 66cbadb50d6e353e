package endtoend

import (
	"testing"
	"time"

	"tiercache/loadtests/drill"
)

func drillConfig(t *testing.T) drill.Config {
	t.Helper()
	wholeRun(t)
	return drill.Config{
		Program: program, Dir: openFolder(t), PortOffset: freeOffset(t), Objects: 4, Readers: 2,
		Load: 2 * time.Second, Back: time.Second, Lag: time.Second, Say: t.Logf,
	}
}

// TestDrill loses the database under load and restores it to a point in time: make drill-restore, short.
func TestDrill(t *testing.T) {
	report, err := drill.Run(t.Context(), drillConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", report)
	if report.Broken > 0 {
		t.Errorf("%d promises were broken", report.Broken)
	}
	if report.Writes == 0 || report.LostWrites == 0 || report.LostSeen == 0 {
		t.Error("nothing was lost that anybody had seen: the drill has shown nothing")
	}
}

// Without what makes a lost branch dead, it is served on, and the drill says so.
func TestDrill_NoticesALostBranch(t *testing.T) {
	if !long() {
		t.Skip("it builds another program: TIERCACHE_LONG_TESTS=1, or make drill-restore ARGS=--without-terms")
	}
	cfg := drillConfig(t)
	var err error
	if cfg.Program, err = drill.BuildWithoutTerms(t.Context(), cfg.Dir); err != nil {
		t.Fatal(err)
	}
	report, err := drill.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if report.Broken == 0 {
		t.Errorf("nothing was noticed:\n%s", report)
	}
}
