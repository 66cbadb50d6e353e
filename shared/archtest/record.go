package archtest

import (
	"go/ast"
	"slices"
)

// isRecord reports whether a literal is of a type that cannot hold state: a struct of this package
// with plain fields and no methods that could change it. A pointer to one is a constant in all but
// name, such as an error with a status; writes to its fields are found as writes to the variable.
func (p *pkg) isRecord(literal ast.Expr) bool {
	lit, ok := literal.(*ast.CompositeLit)
	if !ok {
		return false
	}
	name, ok := lit.Type.(*ast.Ident)
	if !ok {
		return false
	}
	found := false
	for _, f := range p.files {
		for _, decl := range f.ast.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if changes(d, name.Name) {
					return false
				}
			case *ast.GenDecl:
				found = found || slices.ContainsFunc(d.Specs, func(s ast.Spec) bool { return isPlainStruct(s, name.Name) })
			}
		}
	}
	return found
}

// changes reports whether a function is a method of *name other than those that only describe it.
func changes(fn *ast.FuncDecl, name string) bool {
	if fn.Recv == nil {
		return false
	}
	star, ok := fn.Recv.List[0].Type.(*ast.StarExpr)
	return ok && isIdent(star.X, name) && !slices.Contains([]string{"Error", "String", "Unwrap"}, fn.Name.Name)
}

func isPlainStruct(s ast.Spec, name string) bool {
	spec, ok := s.(*ast.TypeSpec)
	if !ok || spec.Name.Name != name {
		return false
	}
	st, ok := spec.Type.(*ast.StructType)
	return ok && !slices.ContainsFunc(st.Fields.List, func(f *ast.Field) bool {
		switch f.Type.(type) {
		case *ast.MapType, *ast.ArrayType, *ast.FuncType, *ast.InterfaceType:
			return true
		}
		return mutableType(f.Type) != ""
	})
}
