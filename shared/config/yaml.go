package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const (
	// maxFile bounds a YAML file, in bytes.
	maxFile = 1 << 20

	// maxNesting bounds brackets and indentation: the YAML parser recurses, and a stack that
	// overflows cannot be recovered from.
	maxNesting = 100
)

// DecodeFile reads the YAML file at path over the value that into points to, a struct or a slice of
// structs. Errors: as Decode, or the file's own.
func DecodeFile(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("config file: %w", err)
	}
	defer func() { _ = f.Close() }() // read only: nothing is lost
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fmt.Errorf("config file: %w", err)
	}
	return Decode(path, b, into)
}

// Decode reads one YAML document over the value that into points to; what the document does not
// mention stays, and an empty document changes nothing. Unknown, repeated and ill-typed fields are
// errors of the form "config NAME:LINE:COLUMN: ...". A document is at most 1 MiB and 100 levels deep.
func Decode(name string, b []byte, into any) error {
	if err := decode(b, into); err != nil {
		return &documentError{name: name, err: err}
	}
	return nil
}

func decode(b []byte, into any) (err error) {
	defer func() {
		// The parser has panicked on hostile input before; a bad document must not end the process.
		if v := recover(); v != nil {
			err = fmt.Errorf("cannot be read as YAML: %v", v)
		}
	}()
	if len(b) > maxFile {
		return fmt.Errorf("larger than %d bytes", maxFile)
	}
	if err := checkNesting(b); err != nil {
		return err
	}
	body, err := parseDocument(b)
	if err != nil || body == nil {
		return err
	}
	if err := check(body, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	// The decoder takes the bytes again, not the tree: it resolves anchors while it reads.
	err = yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// parseDocument returns the root of the only document, nil when there is nothing in it.
func parseDocument(b []byte) (ast.Node, error) {
	file, err := parser.ParseBytes(b, 0, parser.AllowDuplicateMapKey()) // check has a better message
	if err != nil {
		return nil, err
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.NullType:
		case body != nil:
			return nil, at(doc.Body, "a second document: a configuration is one document, remove the `---`")
		default:
			body = doc.Body
		}
	}
	return body, nil
}

// checkNesting refuses documents that are deeper than any configuration. It counts brackets even in
// strings and comments, which is too strict for a document with a hundred open ones there only.
func checkNesting(b []byte) error {
	flow, line, indent := 0, 1, 0
	atStart := true
	for _, c := range b {
		switch {
		case c == '\n':
			line, indent, atStart = line+1, 0, true
			continue
		case atStart && (c == ' ' || c == '-' || c == '?' || c == '\t'):
			indent++
		case c == '[' || c == '{':
			flow, atStart = flow+1, false
		case c == ']' || c == '}':
			flow, atStart = max(0, flow-1), false
		default:
			atStart = false
		}
		if flow > maxNesting || indent > 2*maxNesting {
			return &positionError{line: line, column: 1, reason: fmt.Sprintf("nested deeper than %d levels", maxNesting)}
		}
	}
	return nil
}
