package config

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// positionError is a mistake at a place of a document; lines and columns count from 1.
type positionError struct {
	line, column int
	reason       string
}

func (e *positionError) Error() string { return fmt.Sprintf("%d:%d: %s", e.line, e.column, e.reason) }

// at is a mistake where node stands.
func at(node ast.Node, format string, args ...any) error {
	e := &positionError{line: 1, column: 1, reason: fmt.Sprintf(format, args...)}
	if t := node.GetToken(); t != nil && t.Position != nil {
		e.line, e.column = t.Position.Line, t.Position.Column
	}
	return e
}

// documentError puts a document's name before a mistake. It takes only the message of the decoder's
// own errors: their text repeats the lines around the mistake, which may hold a password.
type documentError struct {
	name string
	err  error
}

func (e *documentError) Unwrap() error { return e.err }

func (e *documentError) Error() string {
	var here *positionError
	if errors.As(e.err, &here) {
		return fmt.Sprintf("config %s:%v", e.name, here)
	}
	var syntax yaml.Error
	if !errors.As(e.err, &syntax) {
		return fmt.Sprintf("config %s: %v", e.name, e.err)
	}
	line, column := 1, 1
	if t := syntax.GetToken(); t != nil && t.Position != nil {
		line, column = t.Position.Line, t.Position.Column
	}
	return fmt.Sprintf("config %s:%d:%d: %s", e.name, line, column, syntax.GetMessage())
}
