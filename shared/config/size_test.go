package config

import (
	"testing"

	"pgregory.net/rapid"
)

func TestParseSize(t *testing.T) {
	good := map[string]Size{
		"0": 0, "1048576": 1 << 20, "64MiB": 64 << 20, "64 mib": 64 << 20, "64MB": 64e6, "2GB": 2e9, "1KiB": 1024,
		"7B": 7, "3TiB": 3 << 40, "9223372036854775807": 1<<63 - 1,
	}
	for text, want := range good {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5GiB", "64M", "64MiBs", "1e3", "9223372036854775808", "9000000TiB", "1 2", "0x10"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestSize_StringIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := Size(rapid.Int64Range(0, 1<<62).Draw(t, "size") >> rapid.IntRange(0, 62).Draw(t, "shift"))
		back, err := ParseSize(size.String())
		if err != nil || back != size {
			t.Fatalf("%d is written %q and read as %d, %v", size, size, back, err)
		}
	})
	if got := Size(256 << 20).String(); got != "256MiB" {
		t.Errorf("got %s", got)
	}
}
