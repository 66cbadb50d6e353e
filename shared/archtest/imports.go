package archtest

import (
	"fmt"
	"go/ast"
	"iter"
	"path"
	"slices"
	"strings"
)

// checkTopLevel holds the root to the rooms of the house.
func (t *tree) checkTopLevel() []Violation {
	var found []Violation
	for _, entry := range t.top {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || slices.Contains(outputFolders(), name) || slices.Contains([]string{".test", ".out"}, path.Ext(name)) {
			continue
		}
		allowed := topFiles()
		if entry.IsDir() {
			allowed = topFolders()
		}
		if !slices.Contains(allowed, name) {
			found = append(found, Violation{Path: name, Rule: "top level", Why: "only " + strings.Join(allowed, ", ") + " belong here"})
		}
	}
	return found
}

// checkDirections applies directions to every import inside the module.
func (t *tree) checkDirections() []Violation {
	var found []Violation
	for f, imported := range t.ownImports() {
		from := path.Dir(f.path)
		for _, d := range directions() {
			if !within(from, d.from) || !withinAny(imported, d.forbidden) || allowedAnyway(d.from, imported) {
				continue
			}
			found = append(found, Violation{f.path, f.imports[path.Join(t.module, imported)], "import direction",
				fmt.Sprintf("%s must not import %s: %s", d.from, imported, d.why)})
		}
	}
	return found
}

// ownImports yields each file with each of its imports from this module, relative to the root.
func (t *tree) ownImports() iter.Seq2[*file, string] {
	return func(yield func(*file, string) bool) {
		for f := range t.files() {
			for imported := range f.imports {
				if own, ok := strings.CutPrefix(imported, t.module+"/"); ok && !yield(f, own) {
					return
				}
			}
		}
	}
}

func (t *tree) files() iter.Seq[*file] {
	return func(yield func(*file) bool) {
		for _, p := range t.packages {
			for _, f := range p.files {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// checkVendors keeps each library in its home, tests included.
func (t *tree) checkVendors() []Violation {
	var found []Violation
	for f := range t.files() {
		dir := path.Dir(f.path)
		for imported, line := range f.imports {
			for _, v := range vendors() {
				if !withinAny(imported, []string{v.library}) || withinAny(dir, v.homes) || f.test && withinAny(dir, v.tests) {
					continue
				}
				found = append(found, Violation{f.path, line, "vendor",
					fmt.Sprintf("%s is used in %s only", v.library, strings.Join(v.homes, ", "))})
			}
		}
	}
	return found
}

// checkPure keeps I/O, logs, clocks and chance out of the packages that decide.
func (t *tree) checkPure() []Violation {
	var found []Violation
	for _, p := range t.packages {
		if !slices.Contains(purePackages(), p.dir) {
			continue
		}
		for _, f := range p.files {
			if f.test {
				continue
			}
			for imported, line := range f.imports {
				if why := t.impure(imported); why != "" {
					found = append(found, Violation{f.path, line, "pure package", "import of " + imported + ": " + why})
				}
			}
			found = append(found, t.clockReadsIn(f)...)
		}
	}
	return found
}

// impure says why a pure package may not import a path, or nothing.
func (t *tree) impure(imported string) string {
	if own, ok := strings.CutPrefix(imported, t.module+"/"); ok {
		if slices.Contains(purePackages(), own) {
			return ""
		}
		return "a pure package imports only other pure ones from here"
	}
	first, _, _ := strings.Cut(imported, "/")
	if strings.Contains(first, ".") {
		if slices.Contains(pureLibraries(), imported) {
			return ""
		}
		return "a pure package uses the standard library and a hash"
	}
	if withinAny(imported, impurePackages()) && !withinAny(imported, pureExceptions()) {
		return "a pure package does no I/O, logs nothing and draws no random numbers: pass in what it needs"
	}
	return ""
}

// clockReadsIn finds reads of the clock under whatever name time is imported.
func (t *tree) clockReadsIn(f *file) []Violation {
	name := importName(f, "time")
	if name == "" {
		return nil
	}
	var found []Violation
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && isIdent(sel.X, name) && slices.Contains(clockReads(), sel.Sel.Name) {
			found = append(found, Violation{f.path, t.line(n), "pure package", "time." + sel.Sel.Name + ": the time is a parameter"})
		}
		return true
	})
	return found
}

// importName is the name by which a file calls a package of the standard library, "" when it does not.
func importName(f *file, imported string) string {
	for _, spec := range f.ast.Imports {
		if spec.Path.Value != `"`+imported+`"` {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imported)
	}
	return ""
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
