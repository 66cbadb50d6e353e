package faults

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"tiercache/shared/controllog"
)

// second is one of a history.
const second = int64(time.Second)

// story is a history that begins with version 1 of an object, written in the first second as epoch 10.
func story(lines ...line) []line {
	return append([]line{wrote(1, second/2, second, 10), {Op: opBody, Page: "own.example/a", Version: 1}}, lines...)
}

func wrote(version int, start, end int64, epoch uint64) line {
	return line{Op: opWrite, Client: "author", Page: "own.example/a", Version: version, Start: start, End: end, Epoch: epoch, Status: 200}
}

func saw(client, jar string, version int, start, end int64, stamp uint64) line {
	return line{Op: opRead, Client: client, Node: "edge-1", Jar: jar, Page: "own.example/a", Version: version, Start: start, End: end, Stamp: stamp, Status: 200, Cache: "edge-1; hit; ttl=9"}
}

// judged is what is found in a history.
func judged(t *testing.T, lines []line) *Report {
	t.Helper()
	cfg := &Config{Evidence: t.TempDir()}
	var text []byte
	for _, l := range lines {
		one, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, one...), '\n')
	}
	if err := os.WriteFile(cfg.historyFile(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := Judge(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestJudge_FindsWhatIsBroken(t *testing.T) {
	there := line{Op: opBody, Page: "own.example/a", Version: 2}
	second2 := wrote(2, 2*second, 3*second, 20)
	complete := second2
	complete.Completed, complete.Receipts = 3*second, map[string]string{"edge-1": "applied"}
	marked := saw("reader", "", 1, 9*second, 10*second, 15)
	marked.Cache += "; detail=disconnected"
	rolledBack := line{Op: opPurge, ID: "x", Purge: &controllog.Purge{All: true}, RolledBack: true, Status: 200, End: second}
	for name, c := range map[string]struct {
		lines []line
		want  string // empty: nothing
	}{
		"all is well":                    {story(second2, there, saw("reader", "", 1, 3*second, 4*second, 15), saw("reader", "", 2, 5*second, 6*second, 20)), ""},
		"old after 2.5 s":                {story(second2, there, saw("reader", "", 1, 9*second, 10*second, 15)), "G4"},
		"old after 2.5 s, and marked":    {story(second2, there, marked), ""},
		"old after complete":             {story(complete, there, saw("reader", "", 1, 4*second, 5*second, 15)), "G3"},
		"old under a stamp of the new":   {story(second2, there, saw("reader", "", 1, 3*second, 4*second, 20)), "stamp"},
		"never written":                  {story(saw("reader", "", 7, 3*second, 4*second, 15)), "G1"},
		"committed and gone":             {story(second2), "G1"},
		"committed and gone, a restore":  {story(second2, line{Op: opLoss, Start: 4 * second, End: 5 * second}), ""},
		"applied by all, and gone":       {story(complete, line{Op: opLoss, Start: 4 * second, End: 5 * second}), "loss"},
		"applied by all, gone, a term":   {story(complete, line{Op: opLoss, Start: 4 * second, End: 5 * second}, line{Op: opTerm, Epoch: 1000, Kind: "soft", Start: 5 * second}), ""},
		"a term that purges nothing":     {story(complete, line{Op: opLoss, Start: 4 * second, End: 5 * second}, line{Op: opTerm, Epoch: 1000, Start: 5 * second}), "loss"},
		"told when it was gone already":  {story(second2, line{Op: opLoss, Start: 2*second + second/2, End: 5 * second}), ""},
		"committed and gone, later":      {story(line{Op: opLoss, Start: 3 * second / 2, End: 5 * second}, second2), "G1"},
		"rolled back and in the log":     {story(rolledBack, line{Op: opLog, ID: "x/0", Epoch: 9, Kind: "purge"}), "G1"},
		"a log without its beginning":    {story(line{Op: opLog, ID: "y/0", Epoch: 9, Prev: 8, Kind: "purge"}), "log"},
		"a log with a gap":               {story(line{Op: opLog, ID: "y/0", Epoch: 9, Kind: "purge"}, line{Op: opLog, ID: "z/0", Epoch: 11, Prev: 10, Kind: "purge"}), "log"},
		"a log that is whole":            {story(line{Op: opLog, ID: "y/0", Epoch: 9, Kind: "purge"}, line{Op: opLog, ID: "z/0", Epoch: 11, Prev: 9, Kind: "term"}), ""},
		"told that there is nothing":     {story(line{Op: opRead, Client: "reader", Node: "edge-1", Page: "own.example/a", Status: 404}), "answers"},
		"told that the tier is away":     {story(line{Op: opRead, Client: "reader", Node: "edge-1", Page: "own.example/a", Status: 504}), ""},
		"nothing at the end":             {story(line{Op: opRead, Client: probe, Node: "edge-1", Page: "own.example/a", Status: 504}), "answers"},
		"a traveller goes back":          {story(second2, there, saw("t", "t", 2, 3*second, 4*second, 15), saw("t", "t", 1, 4*second+1, 5*second, 15)), "G5"},
		"a shared jar goes back":         {story(second2, there, saw("a", "jar-1", 2, 2*second+1, 2*second+2, 15), saw("b", "jar-1", 1, 2*second+3, 2*second+4, 15)), "register"},
		"a shared jar, at the same time": {story(second2, there, saw("a", "jar-1", 2, 2*second+1, 2*second+3, 15), saw("b", "jar-1", 1, 2*second+2, 2*second+4, 15)), ""},
		"not well in time":               {story(line{Op: opFault, Kind: "loss", Start: second, End: second, Lifted: second, Error: "no"}), "recovery"},
	} {
		t.Run(name, func(t *testing.T) {
			found := strings.Join(judged(t, c.lines).Violations, "\n")
			if c.want == "" && found != "" || !strings.HasPrefix(found, c.want) {
				t.Errorf("want %q, found %q", c.want, found)
			}
		})
	}
}

// What was not answered may have been done, long after its client gave up, until the next write was done.
func TestJudge_AWriteThatWasNotAnswered(t *testing.T) {
	unknown := line{Op: opWrite, Client: "author", Page: "own.example/a", Version: 2, Start: 2 * second, End: 3 * second, Unknown: true}
	late := saw("a", "jar-1", 2, 5*second, 6*second, 15)
	if r := judged(t, story(unknown, saw("a", "jar-1", 1, 4*second, 5*second-1, 15), late, line{Op: opBody, Page: "own.example/a", Version: 2})); len(r.Violations) > 0 {
		t.Error(r.Violations)
	}
	if r := judged(t, story(unknown, late, saw("a", "jar-1", 1, 7*second, 8*second, 15))); len(r.Violations) == 0 {
		t.Error("it was seen, and then not any more")
	}
}

func TestReport_TimesWithoutAnAnswer(t *testing.T) {
	failed := func(start, end int64) line {
		return line{Op: opRead, Client: "r", Node: "edge-1", Page: "own.example/a", Start: start, End: end, Error: "refused"}
	}
	r := judged(t, story(
		line{Op: opFault, Kind: "kill-edge", Start: 2 * second, End: 4 * second, Lifted: 5 * second, Well: 8 * second},
		saw("r", "", 1, 2*second, 2*second+1, 10), failed(3*second, 3*second+1), failed(4*second, 4*second+1), saw("r", "", 1, 6*second, 7*second, 10),
		failed(6*second+1, 6*second+2), saw("r", "", 1, 6*second+3, 7*second, 10), failed(9*second, 9*second+1),
	))
	f := r.Faults[0]
	if f.Times != 1 || f.Edge != 4*time.Second || f.Edges != 0 || f.Well != 3*time.Second {
		t.Errorf("%+v", f)
	}
}
