package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// checkSignatures keeps libraries' types out of what packages export: whoever calls a package would have
// to know its library too, and a replacement would reach as far as the calls.
//
// It reads declarations, not types: what an unexported name stands for and what a variable infers from a
// function's result are not followed.
func (t *tree) checkSignatures() []Violation {
	var found []Violation
	for _, p := range t.packages {
		for _, f := range p.files {
			if f.test || f.ast.Name.Name == "main" {
				continue
			}
			for _, decl := range f.ast.Decls {
				for _, exposed := range exposedBy(decl) {
					found = append(found, t.foreignIn(f, exposed)...)
				}
			}
		}
	}
	return found
}

// namedType is an exported name and an expression that its type is made of.
type namedType struct {
	name string
	expr ast.Expr
}

// exposedBy is what a declaration shows to other packages.
func exposedBy(decl ast.Decl) []namedType {
	var exposed []namedType
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
			exposed = append(exposed, namedType{d.Name.Name, d.Type})
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				exposed = append(exposed, exposedByType(s)...)
			case *ast.ValueSpec:
				exposed = append(exposed, exposedByValues(s)...)
			}
		}
	}
	return exposed
}

// receiver is the name of the type that a method belongs to.
func receiver(fn *ast.FuncDecl) string {
	e := fn.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

func exposedByType(s *ast.TypeSpec) []namedType {
	if !s.Name.IsExported() {
		return nil
	}
	exposed := []namedType{{s.Name.Name, s.Type}}
	if s.TypeParams != nil {
		exposed = append(exposed, namedType{s.Name.Name, &ast.FuncType{Params: s.TypeParams}})
	}
	return exposed
}

func exposedByValues(s *ast.ValueSpec) []namedType {
	var exposed []namedType
	for i, name := range s.Names {
		switch {
		case !name.IsExported():
		case s.Type != nil:
			exposed = append(exposed, namedType{name.Name, s.Type})
		case i < len(s.Values):
			exposed = append(exposed, namedType{name.Name, madeBy(s.Values[i])})
		}
	}
	return exposed
}

// madeBy is what the type of a value depends on: the function, literal or name at its root. Arguments
// and fields are the value's own business.
func madeBy(value ast.Expr) ast.Expr {
	switch v := value.(type) {
	case *ast.CallExpr:
		return v.Fun
	case *ast.CompositeLit:
		return v.Type
	case *ast.UnaryExpr:
		return madeBy(v.X)
	case *ast.FuncLit:
		return v.Type
	case *ast.ParenExpr:
		return madeBy(v.X)
	}
	return value
}

// foreignIn reports the libraries' types that callers meet in exposed.
func (t *tree) foreignIn(f *file, exposed namedType) []Violation {
	var found []Violation
	fields := func(list *ast.FieldList) bool {
		for _, field := range list.List {
			if callersSee(field) {
				found = append(found, t.foreignIn(f, namedType{exposed.name, field.Type})...)
			}
		}
		return false
	}
	ast.Inspect(exposed.expr, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			return fields(n.Fields)
		case *ast.InterfaceType:
			return fields(n.Methods)
		case *ast.SelectorExpr:
			if library := t.library(f, n.X); library != "" && !mayExpose(path.Dir(f.path), library) {
				found = append(found, Violation{f.path, t.line(n), "foreign type", fmt.Sprintf(
					"%s exports %v.%s of %s: callers would need to know that library", exposed.name, n.X, n.Sel.Name, library)})
			}
			return false
		}
		return true
	})
	return found
}

// callersSee reports whether a field or method can be named outside of its package. An embedded one can.
func callersSee(field *ast.Field) bool {
	return len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported)
}

func mayExpose(dir, library string) bool {
	return slices.ContainsFunc(exposures(), func(e exposure) bool {
		return within(library, e.library) && withinAny(dir, e.in)
	})
}

// library is the import path of the library that x names in f; empty when x names something of the standard
// library's or of this module's. A name that no import explains is taken for one of the libraries'.
func (t *tree) library(f *file, x ast.Expr) string {
	id, ok := x.(*ast.Ident)
	if !ok {
		return ""
	}
	unexplained := ""
	for _, spec := range f.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has read it
		}
		name := usualName(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		switch {
		case name == id.Name && t.isLibrary(imported):
			return imported
		case name == id.Name:
			return ""
		case spec.Name == nil && t.isLibrary(imported) && unexplained == "":
			unexplained = imported
		}
	}
	return unexplained
}

func (t *tree) isLibrary(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return strings.Contains(first, ".") && !within(imported, t.module)
}

// versionElement is the end of an import path that is not part of the package's name.
var versionElement = regexp.MustCompile(`[/.]v[0-9]+$`)

// usualName is what a package calls itself, judging by its import path.
func usualName(imported string) string {
	name := path.Base(versionElement.ReplaceAllString(imported, ""))
	return strings.TrimSuffix(strings.TrimPrefix(name, "go-"), ".go")
}
