package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// checkState finds package-level variables that hold mutable state: many nodes must fit in one
// process. Errors, compiled patterns and tables that nobody writes to are fine.
func (t *tree) checkState() []Violation {
	var found []Violation
	for _, p := range t.packages {
		var files []*ast.File
		for _, f := range p.files {
			if f.test || f.generated() {
				continue
			}
			files = append(files, f.ast)
			found = append(found, t.checkVariables(p, f)...)
		}
		found = append(found, t.checkWrites(p, files)...)
	}
	return found
}

// checkVariables judges declarations by their form alone.
func (t *tree) checkVariables(p *pkg, f *file) []Violation {
	var found []Violation
	for _, decl := range f.ast.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			v := spec.(*ast.ValueSpec)
			if v.Names[0].Name == "_" || embedded(gen, v) {
				continue
			}
			if why := mutable(p, v); why != "" {
				found = append(found, Violation{f.path, t.line(v), "package state", fmt.Sprintf("%s is %s: keep it in a value that New returns", v.Names[0].Name, why)})
			}
		}
	}
	return found
}

// embedded reports whether the compiler fills the variable from files.
func embedded(gen *ast.GenDecl, v *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{gen.Doc, v.Doc} {
		if doc == nil {
			continue
		}
		for _, c := range doc.List {
			if strings.HasPrefix(c.Text, "//go:embed ") {
				return true
			}
		}
	}
	return false
}

// mutable says what makes a declaration one of mutable state, or nothing.
func mutable(p *pkg, v *ast.ValueSpec) string {
	if v.Type != nil {
		if why := mutableType(v.Type); why != "" {
			return why
		}
	}
	if v.Type != nil && len(v.Values) == 0 {
		return "declared without a value, so somebody must set it later"
	}
	for _, value := range v.Values {
		if why := mutableValue(p, value); why != "" {
			return why
		}
	}
	return ""
}

func mutableType(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.ChanType:
		return "a channel"
	case *ast.StarExpr:
		if isSelector(e.X, "regexp", "Regexp") {
			return ""
		}
		return "a pointer"
	case *ast.SelectorExpr:
		if isIdent(e.X, "sync") || isIdent(e.X, "atomic") {
			return "shared state"
		}
	case *ast.IndexExpr: // atomic.Pointer[T]
		return mutableType(e.X)
	}
	return ""
}

func mutableValue(p *pkg, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.UnaryExpr:
		if e.Op == token.AND && !p.isRecord(e.X) {
			return "a pointer"
		}
	case *ast.CompositeLit:
		if e.Type != nil {
			return mutableType(e.Type)
		}
	case *ast.CallExpr:
		if isIdent(e.Fun, "new") {
			return "a pointer"
		}
		if isIdent(e.Fun, "make") {
			return "made empty, so somebody must fill it later"
		}
	}
	return ""
}

func isSelector(e ast.Expr, x, sel string) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && isIdent(s.X, x) && s.Sel.Name == sel
}

// checkWrites finds package-level variables that a function writes to or takes the address of. Names
// are resolved by the type checker, without the imports: what they export cannot be ours.
func (t *tree) checkWrites(p *pkg, files []*ast.File) []Violation {
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	checker := types.Config{Importer: noImports{}, Error: func(error) {}, FakeImportC: true}
	checked, _ := checker.Check(p.dir, t.fset, files, info) // errors are expected: see noImports
	var found []Violation
	report := func(target ast.Expr, how string) {
		id := root(target)
		if id == nil {
			return
		}
		if v, ok := info.Uses[id].(*types.Var); ok && checked != nil && v.Parent() == checked.Scope() {
			pos := t.fset.Position(id.Pos())
			found = append(found, Violation{p.dir + "/" + base(pos.Filename), pos.Line, "package state",
				fmt.Sprintf("%s is %s: keep it in a value that New returns", id.Name, how)})
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			visitWrite(n, report)
			return true
		})
	}
	return found
}

// visitWrite reports what a node writes to.
func visitWrite(n ast.Node, report func(target ast.Expr, how string)) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, target := range n.Lhs {
				report(target, "assigned to")
			}
		}
	case *ast.IncDecStmt:
		report(n.X, "counted")
	case *ast.UnaryExpr:
		if _, element := n.X.(*ast.IndexExpr); n.Op == token.AND && !element { // rows of a table are read that way
			report(n.X, "pointed to")
		}
	}
}

// root is the variable whose part an expression denotes.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// base is the last element of a file name of this system.
func base(name string) string {
	return name[strings.LastIndexAny(name, `/\`)+1:]
}

// noImports resolves no import: other packages' declarations are not needed here.
type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) {
	return nil, fmt.Errorf("%s: not loaded", path)
}
