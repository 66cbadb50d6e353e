package semantics

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// fetchTimeout bounds npm, which fetches five small packages.
	fetchTimeout = 2 * time.Minute
	// stamp is a copy of the lock file that node_modules was made from.
	stamp = ".installed-lock.json"
)

// suite is the fetched suite.
type suite struct {
	dir  string // this package's folder
	node string // path of the program
}

// Verdict is what the suite makes of one test.
type Verdict struct {
	ID    string `json:"id"`
	Suite string `json:"suite"`
	Name  string `json:"name"`
	// Kind is required, optimal or check. A check is a question, which has no wrong answer.
	Kind string `json:"kind"`
	// Verdict is pass, fail, optional_fail, dependency_fail (a test that it builds on has not passed), setup_fail,
	// retry (the server saw one request twice), harness_fail, untested; for a check yes or no.
	Verdict string `json:"verdict"`
	// Message is what the suite says about a failure.
	Message string `json:"message"`
}

// newSuite fetches the suite unless this version of it is there.
func newSuite(ctx context.Context, dir string, output io.Writer) (*suite, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errors.New("node is not installed: run `make test-http`, which installs it, or `apt-get install nodejs npm`")
	}
	s := &suite{dir: dir, node: node}
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	if had, err := os.ReadFile(s.stamp()); err == nil && bytes.Equal(had, lock) {
		return s, nil
	}
	if err := s.fetch(ctx, output); err != nil {
		return nil, err
	}
	return s, os.WriteFile(s.stamp(), lock, 0o644)
}

func (s *suite) stamp() string { return filepath.Join(s.dir, "node_modules", stamp) }

// folder is the suite's own.
func (s *suite) folder() string { return filepath.Join(s.dir, "node_modules", "http-cache-tests") }

// fetch installs what package-lock.json names. No package runs code of its own while it is installed.
func (s *suite) fetch(ctx context.Context, output io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	began := time.Now()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--loglevel=error", "--prefer-offline",
		"--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000")
	cmd.Dir = s.dir
	cmd.WaitDelay = time.Second
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("fetch http-cache-tests by `npm ci` in %s: %w; %s\n%s", s.dir, err, s.registry(ctx), &printed)
	}
	fmt.Fprintf(output, "fetched http-cache-tests in %s\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// registry says where npm looked, for whom it could not reach.
func (s *suite) registry(ctx context.Context) string {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "npm", "config", "get", "registry", "--loglevel=silent")
	cmd.Dir = s.dir
	out, err := cmd.Output()
	if err != nil {
		return "is npm installed? `make test-http` installs it"
	}
	return fmt.Sprintf("npm's registry is %s: if it can not be reached from here, name another one with `npm config set registry URL`", strings.TrimSpace(string(out)))
}

// run sends the tests' requests to base, all of them or one with a dump of its messages, and returns what the
// suite's client printed.
func (s *suite) run(ctx context.Context, base, id string) ([]byte, error) {
	cmd := s.command(ctx, "cli.mjs")
	cmd.Dir = s.folder()
	// The client takes an empty id for all, and an absent one for a test that there is not.
	cmd.Env = append(cmd.Env, "npm_config_base="+base, "npm_config_id="+id, "npm_package_config_id="+id)
	return output(cmd)
}

// judge asks the suite for its verdicts on results.
func (s *suite) judge(ctx context.Context, results []byte) ([]Verdict, error) {
	cmd := s.command(ctx, "verdicts.mjs")
	cmd.Dir = s.dir
	cmd.Stdin = bytes.NewReader(results)
	out, err := output(cmd)
	if err != nil {
		return nil, err
	}
	var verdicts []Verdict
	if err := json.Unmarshal(out, &verdicts); err != nil {
		return nil, fmt.Errorf("verdicts.mjs: %w", err)
	}
	if len(verdicts) == 0 {
		return nil, errors.New("verdicts.mjs: no verdicts")
	}
	return verdicts, nil
}

// command runs a script of the suite without this process's settings of npm, which the suite reads as its own.
func (s *suite) command(ctx context.Context, script string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.node, "--no-warnings", script)
	cmd.Env = environment("npm_", "NODE_OPTIONS=")
	return cmd
}

// output is what cmd printed; an error has what it said besides.
func output(cmd *exec.Cmd) ([]byte, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil || said.Len() > 0 {
		return out, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), orSaid(err), &said)
	}
	return out, nil
}

func orSaid(err error) error {
	if err == nil {
		return errors.New("it complained")
	}
	return err
}

// environment is this process's without the variables that begin with one of the prefixes.
func environment(without ...string) []string {
	var kept []string
next:
	for _, entry := range os.Environ() {
		for _, prefix := range without {
			if strings.HasPrefix(entry, prefix) {
				continue next
			}
		}
		kept = append(kept, entry)
	}
	return kept
}
