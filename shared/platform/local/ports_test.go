package local

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A second platform with the advised offset shares no port with the first, however large both are.
func TestShift_KeepsTwoPlatformsApart(t *testing.T) {
	largest := Default()
	largest.Edges, largest.Regions, largest.Regionals = maxEdges, maxRegions, maxRegionals
	for name, cfg := range map[string]Config{"as it comes": Default(), "largest": largest} {
		holders := map[string]string{}
		first := NewPlan(&cfg)
		for _, use := range first.Ports() {
			holders[use.Addr] = use.Use
		}
		cfg.PortOffset += shift
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		second := NewPlan(&cfg)
		for _, use := range second.Ports() {
			if holder, ok := holders[use.Addr]; ok {
				t.Errorf("%s: %s of the second is on %s, the port of the first one's %s", name, use.Use, use.Addr, holder)
			}
		}
	}
}

func TestShift_IsWhatTheDocumentsAdvise(t *testing.T) {
	for _, document := range []string{"README.md", "docs/ARCHITECTURE.md"} {
		content, err := os.ReadFile("../../../" + document)
		if err != nil {
			t.Fatal(err)
		}
		if advice := fmt.Sprintf("--port-offset %d", shift); !strings.Contains(string(content), advice) {
			t.Errorf("%s does not say %s", document, advice)
		}
	}
}
