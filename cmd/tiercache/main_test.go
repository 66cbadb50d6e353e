package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// playVariable makes the test binary play tiercache.
const playVariable = "TESTED_AS_TIERCACHE"

func TestMain(m *testing.M) {
	if os.Getenv(playVariable) != "" {
		main()
	}
	os.Exit(m.Run())
}

// played is `tiercache ARGS` as a process that has not begun, and what it says on standard error.
func played(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), playVariable+"=1")
	said := new(bytes.Buffer)
	cmd.Stderr = said
	return cmd, said
}
