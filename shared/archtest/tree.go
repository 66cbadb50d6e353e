package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// errNoModule says that the root has no go.mod with a module line.
var errNoModule = errors.New("go.mod has no module line")

// tree is the module as far as the rules look at it.
type tree struct {
	module   string
	fset     *token.FileSet
	packages []*pkg
	top      []fs.DirEntry // what lies in the root
}

// pkg is the Go files of one folder.
type pkg struct {
	dir   string // relative to the root, with slashes, "." for the root
	files []*file
}

type file struct {
	path    string // relative to the root, with slashes
	test    bool
	ast     *ast.File
	lines   int
	imports map[string]int // import path -> line
}

// load parses every Go file below root, apart from folders that Go tools skip too (testdata, names
// that start with a dot or an underscore), build output and modules of their own.
func load(root string) (*tree, error) {
	t := &tree{fset: token.NewFileSet()}
	var err error
	if t.module, err = moduleName(root); err != nil {
		return nil, err
	}
	if t.top, err = os.ReadDir(root); err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	byDir := make(map[string]*pkg)
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipFolder(root, name)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f, err := t.parse(name, filepath.ToSlash(rel))
		if err != nil {
			return err
		}
		dir := path.Dir(f.path)
		if byDir[dir] == nil {
			byDir[dir] = &pkg{dir: dir}
		}
		byDir[dir].files = append(byDir[dir].files, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		t.packages = append(t.packages, byDir[dir])
	}
	return t, nil
}

func skipFolder(root, name string) error {
	if name == root {
		return nil
	}
	base := filepath.Base(name)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return filepath.SkipDir
	}
	if filepath.Dir(name) == root && slices.Contains(outputFolders(), base) {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

func moduleName(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("read module: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(name), nil
		}
	}
	return "", errNoModule
}

func (t *tree) parse(name, rel string) (*file, error) {
	parsed, err := parser.ParseFile(t.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &file{
		path:    rel,
		test:    strings.HasSuffix(rel, "_test.go"),
		ast:     parsed,
		lines:   t.fset.File(parsed.Pos()).LineCount(),
		imports: make(map[string]int),
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", rel, spec.Path.Value, err)
		}
		f.imports[imported] = t.line(spec)
	}
	return f, nil
}

func (t *tree) line(n ast.Node) int { return t.fset.Position(n.Pos()).Line }

// generated reports whether a program wrote the file, which no habit binds.
func (f *file) generated() bool { return ast.IsGenerated(f.ast) }

// name is the file's name without its endings.
func (f *file) name() string {
	return strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
}

// within reports whether a slash-separated path is root or below it.
func within(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

// withinAny reports whether a path is one of roots or below one.
func withinAny(p string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return within(p, root) })
}
