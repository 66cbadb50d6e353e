package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// PostgresTool is the path of one of PostgreSQL's programs, such as pg_basebackup: of that major version, or of the newest
// if major is empty. ErrNotInstalled says what to install.
func PostgresTool(name, major string) (string, error) {
	dir, err := findPostgres(major)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if !isProgram(path) {
		return "", fmt.Errorf("%s is %w: it belongs to PostgreSQL, of which %s has a part only: install postgresql", name, ErrNotInstalled, dir)
	}
	return path, nil
}

// RunTool runs a program to its end, which ctx hastens. Its error has the last lines that it printed; all of them go to
// out as well (nil: nobody).
func RunTool(ctx context.Context, program Program, out io.Writer) error {
	var printed bytes.Buffer
	var both io.Writer = &printed
	if out != nil {
		both = io.MultiWriter(&printed, out)
	}
	proc, err := StartProcess(program, both)
	if err != nil {
		return err
	}
	select {
	case <-proc.Done():
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), proc.Kill())
	}
	if proc.Err() != nil {
		return fmt.Errorf("%s: %w: %s", program.Name, proc.Err(), lastLines(printed.String(), 5))
	}
	return nil
}

// ToolEnv is what PostgreSQL's programs need of an environment, and what is given besides, as NAME=value.
func ToolEnv(more ...string) []string { return append(serverEnv(), more...) }
