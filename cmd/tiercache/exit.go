package main

import (
	"errors"

	"tiercache/shared/config"
)

// The exit statuses, beside 0 and, for any other error, 1. Nodes have config.ExitInvalid as well.
const (
	exitUsage   = 2 // the command line is wrong
	exitPending = 3 // done, but not every node is ready, or has applied it
	// an audit has found something
	exitViolations = 4
)

// badSettings marks an error that a node would end with at each start until its settings are changed.
func badSettings(err error) error { return &exitError{code: config.ExitInvalid, err: err} }

// exitError carries an exit status other than 1 for scripts.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitCode is the status that the process ends with for err.
func exitCode(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return 1
}
