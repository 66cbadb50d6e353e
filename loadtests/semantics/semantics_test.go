package semantics

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestSemantics runs the suite through each setup: no test that passes in the baseline may fail. It takes most of a minute and
// needs node and, once, npm's registry.
func TestSemantics(t *testing.T) {
	if os.Getenv("TIERCACHE_HTTP_TESTS") == "" {
		t.Skip("needs node and npm: make test-http runs it")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	results, err := Measure(t.Context(), Config{Dir: dir, Output: &output})
	if err != nil {
		t.Fatalf("%v\n%s", err, &output)
	}
	for i := range results {
		t.Run(results[i].Setup, func(t *testing.T) { keepsBaseline(t, dir, &results[i]) })
	}
	var table strings.Builder
	if err := Table(&table, results); err != nil {
		t.Error(err)
	}
	t.Logf("\n%s%s", &output, &table)
}

func keepsBaseline(t *testing.T, dir string, r *Result) {
	baseline, err := ReadBaseline(dir, r.Setup)
	if err != nil {
		t.Fatal(err)
	}
	changes := Compare(baseline, r.Verdicts)
	var news strings.Builder
	News(&news, r, &changes)
	if news.Len() > 0 {
		t.Logf("\n%s", &news)
	}
	if err := changes.Err(r.Setup); err != nil {
		t.Error(err)
	}
}
