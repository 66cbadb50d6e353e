package config

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Place is where something stands in a document; lines and columns count from 1.
type Place struct{ Line, Column int }

// Locate is where the field at path, such as rules[1].ttl, stands in the YAML document b: its value, or its
// name when the value is not a single one. Where the document ends before the path does, it is the place of the last
// part that is there. found is false when not even the first part is, or b is no document.
func Locate(b []byte, path string) (place Place, found bool) {
	defer func() {
		// As in decode: the parser has panicked on hostile input before.
		if recover() != nil {
			place, found = Place{}, false
		}
	}()
	if len(b) > maxFile || checkNesting(b) != nil {
		return Place{}, false
	}
	node, err := parseDocument(b)
	if err != nil || node == nil {
		return Place{}, false
	}
	if path == "" {
		return placeOf(node, nil), true
	}
	for _, step := range steps(path) {
		key, value := child(node, step)
		if value == nil {
			break
		}
		node, place, found = value, placeOf(value, key), true
	}
	return place, found
}

// Explain takes an error of Decode apart: what is wrong, and where; the place is zero when it is not known.
// ok is false for any other error.
func Explain(err error) (place Place, reason string, ok bool) {
	var doc *documentError
	if !errors.As(err, &doc) {
		return Place{}, "", false
	}
	var here *positionError
	if errors.As(doc.err, &here) {
		return Place{here.line, here.column}, here.reason, true
	}
	var syntax yaml.Error
	if !errors.As(doc.err, &syntax) {
		return Place{}, doc.err.Error(), true
	}
	if t := syntax.GetToken(); t != nil && t.Position != nil {
		place = Place{t.Position.Line, t.Position.Column}
	}
	return place, syntax.GetMessage(), true
}

// fieldError is an error of a Validate method that knows its field.
type fieldError interface {
	error
	FieldPath() string // as Locate takes it
}

// locateInvalid puts the place in the file before what a Validate method found, when it says which field it is and
// the file has that field.
func locateInvalid(file string, err error) error {
	var field fieldError
	if file == "" || !errors.As(err, &field) {
		return err
	}
	b, readErr := os.ReadFile(file)
	if readErr != nil {
		return err // it was there a moment ago: the mistake itself matters more
	}
	place, found := Locate(b, field.FieldPath())
	if !found {
		return err
	}
	return &documentError{name: file, err: &positionError{line: place.Line, column: place.Column, reason: err.Error()}}
}

// steps splits rules[1].ttl into rules, 1 and ttl.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

// child is what step leads to from node: the entry of that name, or the value of that number in a list,
// which has no key.
func child(node ast.Node, step string) (key ast.MapKeyNode, value ast.Node) {
	switch n := inner(node).(type) {
	case ast.MapNode:
		for it := n.MapRange(); it.Next(); {
			if !it.Key().IsMergeKey() && keyText(it.Key()) == step {
				return it.Key(), it.Value()
			}
		}
	case *ast.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Values) {
			return nil, n.Values[i]
		}
	}
	return nil, nil
}

// placeOf is where a value begins to the reader: a single value at itself, lists and maps at their key, one
// without key at its first entry.
func placeOf(node ast.Node, key ast.MapKeyNode) Place {
	node = inner(node)
	token := node.GetToken()
	switch n := node.(type) {
	case ast.MapNode:
		if key != nil {
			token = key.GetToken()
		} else if it := n.MapRange(); it.Next() {
			token = it.Key().GetToken()
		}
	case *ast.SequenceNode:
		if key != nil {
			token = key.GetToken()
		}
	}
	if token == nil || token.Position == nil {
		return Place{1, 1}
	}
	return Place{token.Position.Line, token.Position.Column}
}
