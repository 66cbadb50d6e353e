package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	maxFileLines     = 400
	maxFunctionLines = 60
)

// leftOver marks work that was put off; an issue is the place for it.
var leftOver = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

// checkHabits looks at packages and files one by one.
func (t *tree) checkHabits() []Violation {
	var found []Violation
	for _, p := range t.packages {
		found = append(found, p.checkComment()...)
		if slices.Contains(emptyNames(), path.Base(p.dir)) {
			found = append(found, Violation{Path: p.dir, Rule: "name", Why: "name a folder after what it holds"})
		}
		for _, f := range p.files {
			if !f.generated() {
				found = append(found, t.checkFile(f)...)
			}
		}
	}
	return found
}

// checkComment wants each package to say what it is, in the form that go doc shows.
func (p *pkg) checkComment() []Violation {
	var first *file
	for _, f := range p.files {
		if f.test {
			continue
		}
		if first == nil {
			first = f
		}
		if f.ast.Doc != nil && hasPackageComment(f.ast) {
			return nil
		}
	}
	if first == nil {
		return nil // tests only
	}
	return []Violation{{Path: p.dir, Rule: "package comment", Why: "no comment that starts with `Package " + first.ast.Name.Name +
		"` (or `Command ...`): say what it owns, what it refuses and where to start reading"}}
}

func hasPackageComment(f *ast.File) bool {
	want := "Package " + f.Name.Name + " "
	if f.Name.Name == "main" {
		want = "Command "
	}
	return strings.HasPrefix(f.Doc.Text(), want)
}

func (t *tree) checkFile(f *file) []Violation {
	var found []Violation
	if slices.Contains(emptyNames(), f.name()) {
		found = append(found, Violation{Path: f.path, Rule: "name", Why: "name a file after the one concept that it holds"})
	}
	if !f.test && f.lines > maxFileLines {
		found = append(found, Violation{Path: f.path, Rule: "file length", Why: fmt.Sprintf("%d lines, at most %d: one concept a file", f.lines, maxFileLines)})
	}
	found = append(found, t.checkLeftOvers(f)...)
	for _, decl := range f.ast.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok {
			found = append(found, t.checkFunction(f, fn)...)
		}
	}
	if f.test {
		found = append(found, t.checkSleep(f)...)
	}
	return found
}

func (t *tree) checkLeftOvers(f *file) []Violation {
	var found []Violation
	for _, group := range f.ast.Comments {
		if mark := leftOver.FindString(group.Text()); mark != "" {
			found = append(found, Violation{f.path, t.line(group), "left over", mark + ": do it or write an issue"})
		}
	}
	return found
}

func (t *tree) checkFunction(f *file, fn *ast.FuncDecl) []Violation {
	var found []Violation
	if fn.Recv == nil && fn.Name.Name == "init" {
		found = append(found, Violation{f.path, t.line(fn), "init", "nothing happens because a package was imported: call it where it is needed"})
	}
	lines := t.fset.Position(fn.End()).Line - t.line(fn) + 1
	if !f.test && lines > maxFunctionLines {
		found = append(found, Violation{f.path, t.line(fn), "function length",
			fmt.Sprintf("%s has %d lines, at most %d", fn.Name.Name, lines, maxFunctionLines)})
	}
	return found
}

// checkSleep finds tests that wait for time to pass. Inside a bubble of testing/synctest sleeping is
// how time passes, so files that use it are trusted.
func (t *tree) checkSleep(f *file) []Violation {
	name := importName(f, "time")
	if _, ok := f.imports["testing/synctest"]; ok || name == "" {
		return nil
	}
	var found []Violation
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && isIdent(sel.X, name) && sel.Sel.Name == "Sleep" {
			found = append(found, Violation{f.path, t.line(n), "sleep in a test", "wait for the event with a deadline, or use testing/synctest"})
		}
		return true
	})
	return found
}
