package control

import (
	"encoding/json"
	"os"
	"testing"

	"tiercache/shared/controllog"
)

// urlVector is one row of shared/controllog/testdata/urls.json, which tiercache.parse_url is tested with too.
type urlVector struct {
	In    string `json:"url"`
	Error bool   `json:"error"`
	controllog.URL
}

func TestPurgeURL_SharedVectors(t *testing.T) {
	b, err := os.ReadFile("../shared/controllog/testdata/urls.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []urlVector
	if err := json.Unmarshal(b, &vectors); err != nil || len(vectors) < 40 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, v := range vectors {
		if got, err := purgeURL(v.In); (err != nil) != v.Error || err == nil && got != v.URL {
			t.Errorf("%.80q: %+v, %v, want %+v", v.In, got, err, v.URL)
		}
	}
}
