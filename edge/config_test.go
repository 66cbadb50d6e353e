package edge

import (
	"strings"
	"testing"

	"tiercache/edge/l1"
	"tiercache/shared/config"
)

func TestConfig_L1SizeIsWithinTheBoundsOfL1(t *testing.T) {
	cfg := DefaultConfig()
	cfg.ControlURL = "http://127.0.0.1:7070"
	for _, size := range []config.Size{0, 5, l1.MinSize - 1} {
		cfg.L1Size = size
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "l1_size") {
			t.Errorf("%v: %v", size, err)
		}
	}
	cfg.L1Size = l1.MinSize
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}
