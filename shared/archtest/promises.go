package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tiercache/shared/httpcache"
)

// promisesFile says what the project does with HTTP, and which test shows it. It is held to both: each test that it
// names is there, and the words that it lists are those of the code, neither more nor fewer.
const promisesFile = "docs/HTTP.md"

var (
	codeSpan   = regexp.MustCompile("`([^`]*)`")
	folderTest = regexp.MustCompile(`^([a-z0-9_./-]+): ((?:Test|Fuzz)\w+)$`)
	bareTest   = regexp.MustCompile(`^(?:Test|Fuzz)\w+$`)
)

// checkPromises reads the file, if the module has it.
func (t *tree) checkPromises(root string) ([]Violation, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(promisesFile)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read promises: %w", err)
	}
	lines := strings.Split(string(text), "\n")
	return append(t.checkNamedTests(lines), checkWords(lines)...), nil
}

// namedTest is a test as the file names it: "folder: TestName", or "TestName" behind another of that folder.
type namedTest struct{ folder, name string }

// checkNamedTests wants each test that is named, and one at least in each row of a table whose last column is for them,
// unless the row says that what is required is not met yet.
func (t *tree) checkNamedTests(lines []string) (found []Violation) {
	report := func(line int, why string) {
		found = append(found, Violation{promisesFile, line, "named test", why})
	}
	tests := t.tests()
	inTable := false
	for i, line := range lines {
		for _, n := range testsIn(line) {
			switch {
			case n.folder == "":
				report(i+1, n.name+" is named without its folder: write `folder: "+n.name+"`")
			case !tests[n.folder+": "+n.name]:
				report(i+1, "there is no "+n.name+" in the test files of "+n.folder+": what is promised must have a test")
			}
		}
		cells := cellsOf(line)
		switch {
		case len(cells) == 0:
			inTable = false
		case cells[len(cells)-1] == "Test":
			inTable = true
		case inTable && !isRule(line):
			if why := wrongTestCell(cells[len(cells)-1], line); why != "" {
				report(i+1, why)
			}
		}
	}
	return found
}

// wrongTestCell says what is wrong with a row's last cell as such.
func wrongTestCell(cell, row string) (why string) {
	for _, span := range codeSpan.FindAllStringSubmatch(cell, -1) {
		if !folderTest.MatchString(span[1]) && !bareTest.MatchString(span[1]) {
			return span[0] + " is not written as `folder: TestName`"
		}
	}
	if len(testsIn(cell)) == 0 && !strings.Contains(row, "**Not yet**") {
		return "the row names no test: what is promised must have one"
	}
	return ""
}

// testsIn are the tests that a line names. A folder holds until another one is named or the line ends.
func testsIn(line string) (named []namedTest) {
	folder := ""
	for _, span := range codeSpan.FindAllStringSubmatch(line, -1) {
		if m := folderTest.FindStringSubmatch(span[1]); m != nil {
			folder = m[1]
			named = append(named, namedTest{folder, m[2]})
		} else if bareTest.MatchString(span[1]) {
			named = append(named, namedTest{folder, span[1]})
		}
	}
	return named
}

// tests are the tests and fuzz targets of the module, each as "folder: TestName".
func (t *tree) tests() map[string]bool {
	tests := map[string]bool{}
	for _, p := range t.packages {
		for _, f := range p.files {
			if !f.test {
				continue
			}
			for _, decl := range f.ast.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && bareTest.MatchString(fn.Name.Name) {
					tests[p.dir+": "+fn.Name.Name] = true
				}
			}
		}
	}
	return tests
}

// wordList is a closed enum, and the title of the table that lists it.
type wordList struct {
	title string
	words []string
}

func wordLists() []wordList {
	return []wordList{
		{"Outcomes", enum(func(i int) string { return httpcache.Outcome(i).String() })},
		{"Forward reasons", enum(func(i int) string { return httpcache.FwdReason(i).String() })},
		{"Reasons not to store", enum(func(i int) string { return httpcache.Reason(i).String() })},
	}
}

// enum are the words of a closed set, whose String is "invalid" beyond its end and "" for none.
func enum(name func(int) string) (words []string) {
	for i := 0; name(i) != "invalid"; i++ {
		if word := name(i); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// checkWords wants each word of a list once in the first column of its table, and no other.
func checkWords(lines []string) (found []Violation) {
	for _, list := range wordLists() {
		at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "**"+list.title+"**") })
		if at < 0 {
			found = append(found, Violation{promisesFile, 0, "words", "there is no **" + list.title + "**: the set is closed and public"})
			continue
		}
		listed := map[string]bool{}
		for _, w := range wordsBelow(lines, at) {
			switch {
			case !slices.Contains(list.words, w.name):
				found = append(found, Violation{promisesFile, w.line, "words", w.name + " is not one of shared/httpcache's " + list.title})
			case listed[w.name]:
				found = append(found, Violation{promisesFile, w.line, "words", w.name + " is listed twice"})
			}
			listed[w.name] = true
		}
		for _, word := range list.words {
			if !listed[word] {
				found = append(found, Violation{promisesFile, at + 1, "words", word + " is missing among the " + list.title + ": shared/httpcache has it"})
			}
		}
	}
	return found
}

// listedWord is a word and the line that lists it.
type listedWord struct {
	name string
	line int
}

// wordsBelow are the words in the first column of the first table below a line.
func wordsBelow(lines []string, at int) (words []listedWord) {
	for i := at + 1; i < len(lines); i++ {
		cells := cellsOf(lines[i])
		if len(cells) == 0 {
			if len(words) > 0 || strings.HasPrefix(lines[i], "**") {
				break
			}
			continue
		}
		for _, span := range codeSpan.FindAllStringSubmatch(cells[0], -1) {
			words = append(words, listedWord{span[1], i + 1})
		}
	}
	return words
}

// cellsOf are the cells of a table's row; none where the line is no such row.
func cellsOf(line string) (cells []string) {
	inner, ok := strings.CutPrefix(strings.TrimSpace(line), "|")
	if !ok {
		return nil
	}
	for cell := range strings.SplitSeq(strings.TrimSuffix(inner, "|"), "|") {
		cells = append(cells, strings.TrimSpace(cell))
	}
	return cells
}

// isRule reports whether the line is the one between a table's head and its rows.
func isRule(line string) bool { return strings.Trim(line, "|- :") == "" }
