package endtoend

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// commandTimeout bounds a command that ends by itself.
const commandTimeout = time.Minute

// ended is how a command ended.
type ended struct {
	code           int
	stdout, stderr string
}

// tiercache runs a command that ends by itself.
func tiercache(t *testing.T, args ...string) ended {
	t.Helper()
	return tiercacheReading(t, nil, args...)
}

// tiercacheReading is tiercache with standard input.
func tiercacheReading(t *testing.T, stdin io.Reader, args ...string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environment(), stdin, &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("tiercache %s: %v\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	}
	return ended{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// succeeds fails the test unless the command ended with status 0; it returns standard output.
func (e ended) succeeds(t *testing.T) string {
	t.Helper()
	if e.code != 0 {
		t.Fatalf("exit status %d\n%s%s", e.code, e.stdout, e.stderr)
	}
	return e.stdout
}

// fails wants exit status 1 and one line on standard error that has each part.
func (e ended) fails(t *testing.T, parts ...string) {
	t.Helper()
	e.failsWith(t, 1, parts...)
}

// failsWith is fails with another exit status.
func (e ended) failsWith(t *testing.T, code int, parts ...string) {
	t.Helper()
	if e.code != code {
		t.Errorf("exit status %d, want %d\n%s%s", e.code, code, e.stdout, e.stderr)
	}
	if strings.Count(strings.TrimSpace(e.stderr), "\n") != 0 {
		t.Errorf("want one line, not:\n%s", e.stderr)
	}
	for _, part := range parts {
		if !strings.Contains(e.stderr, part) {
			t.Errorf("want %q in: %s", part, e.stderr)
		}
	}
}

// environment is this process's without what would steer the program.
func environment(more ...string) []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TIERCACHE_") && !strings.HasPrefix(entry, "GOMEMLIMIT=") {
			kept = append(kept, entry)
		}
	}
	return append(kept, more...)
}
