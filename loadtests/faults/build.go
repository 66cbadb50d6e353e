package faults

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tiercache/loadtests/switches"
)

// Build builds the binary of a run from the repository at root: what ships, with a clock that can be set, and, if a
// mechanism is to be switched off, with switches. It is built outside the sandbox, which has no network.
func Build(ctx context.Context, root, dir, off string) (program string, err error) {
	overlay := switches.NewOverlay(root)
	if err := withClock(overlay); err != nil {
		return "", err
	}
	if off != "" {
		if err := CheckSwitch(off); err != nil {
			return "", err
		}
		if err := overlay.Switches(); err != nil {
			return "", err
		}
	}
	index, err := overlay.Write(dir)
	if err != nil {
		return "", err
	}
	program = filepath.Join(dir, "tiercache")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", index, "-o", program, "./cmd/tiercache")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the fleet's binary: %w\n%s", err, out)
	}
	return program, nil
}

// CheckSwitch wants the name of a mechanism that can be switched off in a binary.
func CheckSwitch(name string) error {
	var names []string
	for _, m := range switches.Mechanisms() {
		if m.Name == name && len(m.Changes) > 0 {
			return nil
		}
		if len(m.Changes) > 0 {
			names = append(names, m.Name)
		}
	}
	return fmt.Errorf("no mechanism %q can be switched off; there are:\n  %s", name, strings.Join(names, "\n  "))
}

// switchEnv tells a node what is off.
func switchEnv(name string) string { return switches.Env + "=" + name }
