package config

import (
	"encoding"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// check compares a tree with the type that it is to be decoded into and reports the first mistake
// with its place. The decoder would find most of them too, but without a place for values that it
// leaves to other parsers, and it turns `0123` for a name into "83". Aliases and types with decoding
// code of their own are left to the decoder.
func check(node ast.Node, t reflect.Type) error {
	node = inner(node)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if node == nil || node.Type() == ast.AliasType || node.Type() == ast.MergeKeyType {
		return nil
	}
	_, entries := node.(ast.MapNode)
	switch {
	case entries && t.Kind() == reflect.Struct && len(structFields(t)) > 0: // a word would do as well for some types
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return checkText(node, t)
	case isLeaf(t) && t.Kind() != reflect.Slice:
		return checkScalar(node, t)
	}
	switch t.Kind() {
	case reflect.Struct:
		return checkStruct(node, t)
	case reflect.Slice:
		return checkList(node, t)
	case reflect.Map:
		return checkMap(node, t)
	}
	return nil
}

// inner looks through anchors and tags.
func inner(node ast.Node) ast.Node {
	for {
		switch n := node.(type) {
		case *ast.AnchorNode:
			node = n.Value
		case *ast.TagNode:
			node = n.Value
		default:
			return node
		}
	}
}

func checkStruct(node ast.Node, t reflect.Type) error {
	entries, ok := node.(ast.MapNode)
	if !ok {
		return at(node, "expected fields, such as `%s: ...`", firstKey(t))
	}
	known := structFields(t)
	lines := make(map[string]int)
	for it := entries.MapRange(); it.Next(); {
		if it.Key().IsMergeKey() {
			continue
		}
		key := keyText(it.Key())
		ft, ok := known[key]
		if !ok {
			return at(it.Key(), "unknown field %q%s", key, suggestion(key, known))
		}
		if line, twice := lines[key]; twice {
			return at(it.Key(), "field %q is there twice, first in line %d: remove one", key, line)
		}
		lines[key] = it.Key().GetToken().Position.Line
		if err := check(it.Value(), ft); err != nil {
			return err
		}
	}
	return nil
}

func checkMap(node ast.Node, t reflect.Type) error {
	if node.Type() == ast.NullType {
		return nil
	}
	entries, ok := node.(ast.MapNode)
	if !ok {
		return at(node, "expected entries, such as `name: value`")
	}
	for it := entries.MapRange(); it.Next(); {
		if err := check(it.Value(), t.Elem()); err != nil {
			return err
		}
	}
	return nil
}

func checkList(node ast.Node, t reflect.Type) error {
	if node.Type() == ast.NullType {
		return nil
	}
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return at(node, "expected a list, such as `[a, b]`")
	}
	for _, value := range list.Values {
		if err := check(value, t.Elem()); err != nil {
			return err
		}
	}
	return nil
}

// checkScalar holds a single value to the rule that variables and flags obey.
func checkScalar(node ast.Node, t reflect.Type) error {
	text, err := scalarText(node)
	if err != nil {
		return err
	}
	if t.Kind() == reflect.String {
		switch node.Type() {
		case ast.StringType, ast.LiteralType:
			return nil
		}
		return at(node, "%s is not text: put it in quotes", text)
	}
	if _, err := parse(t, text); err != nil {
		return at(node, "%v", err)
	}
	return nil
}

func checkText(node ast.Node, t reflect.Type) error {
	if node.Type() == ast.SequenceType && t.Kind() == reflect.Struct && len(structFields(t)) > 0 {
		return at(node, "expected a single value or fields, such as `%s: ...`", firstKey(t))
	}
	text, err := scalarText(node)
	if err != nil {
		return err
	}
	if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		return at(node, "%v", err)
	}
	return nil
}

func scalarText(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.NullNode:
		return "", at(node, "the field has no value: give it one or remove it")
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case ast.ScalarNode:
		return n.GetToken().Value, nil
	default:
		return "", at(node, "expected a single value")
	}
}

// structFields maps the names of a struct's fields, with those of inlined ones, to their types.
func structFields(t reflect.Type) map[string]reflect.Type {
	known := make(map[string]reflect.Type)
	for i := range t.NumField() {
		sf := t.Field(i)
		key, inline := yamlName(sf)
		switch {
		case !sf.IsExported() || key == "-":
		case inline:
			for name, ft := range structFields(sf.Type) {
				known[name] = ft
			}
		default:
			known[key] = sf.Type
		}
	}
	return known
}

func firstKey(t reflect.Type) string {
	for i := range t.NumField() {
		if key, inline := yamlName(t.Field(i)); t.Field(i).IsExported() && !inline && key != "-" {
			return key
		}
	}
	return "name"
}

func keyText(key ast.MapKeyNode) string {
	if s, ok := key.(*ast.StringNode); ok {
		return s.Value
	}
	return strings.TrimSpace(key.GetToken().Value)
}

// suggestion names the field that was probably meant.
func suggestion(key string, known map[string]reflect.Type) string {
	best, distance := "", len(key)/3+2
	for name := range known {
		if d := editDistance(key, name); d < distance || (d == distance && best != "" && name < best) {
			best, distance = name, d
		}
	}
	if best == "" {
		return ": remove it"
	}
	return ": did you mean " + best + "?"
}

// editDistance counts the letters to insert, remove or replace to get from a to b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
