package processes

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Load is how many processes want to run, over the last minute, as /proc/loadavg has it; "?" where it cannot be read.
func Load() string {
	b, err := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	if err != nil || first == "" {
		return "?"
	}
	return first
}

// Machine says what this is measured on, in a few words: cores, and their model.
func Machine() string {
	b, _ := os.ReadFile("/proc/cpuinfo") // without it the model is not known
	return fmt.Sprintf("%d x %s", runtime.NumCPU(), model(string(b)))
}

// model is the processors' name in /proc/cpuinfo. Some architectures have none.
func model(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" && strings.TrimSpace(value) != "" {
			return strings.TrimSpace(value)
		}
	}
	return "a processor"
}
