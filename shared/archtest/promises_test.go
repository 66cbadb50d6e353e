package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The file is there and is read: a check that finds nothing to check passes too.
func TestPromises_OfTheModule(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(moduleRoot(t), filepath.FromSlash(promisesFile)))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	n := 0
	for _, line := range lines {
		n += len(testsIn(line))
	}
	if n < 100 {
		t.Errorf("%s names %d tests", promisesFile, n)
	}
	for _, list := range wordLists() {
		if len(list.words) < 8 {
			t.Errorf("%s: %q", list.title, list.words)
		}
	}
}

// goodPromises is a file without a breach, beside the test file of the folder that it names.
func goodPromises() string {
	var b strings.Builder
	b.WriteString("# HTTP\n\nNo table: `edge/l1: TestX`.\n\n| What | What we do | Test |\n|---|---|---|\n" +
		"| a | b | `edge/l1: TestX`, `FuzzY`; `edge: TestZ` |\n| c | **Not yet**: d | |\n\nText.\n")
	for _, list := range wordLists() {
		b.WriteString("\n**" + list.title + "**: more.\n\n| Word | Meaning |\n|---|---|\n| `" + strings.Join(list.words[:2], "`, `") + "` | is `no word` |\n")
		for _, word := range list.words[2:] {
			b.WriteString("| `" + word + "` | |\n")
		}
	}
	return b.String()
}

func TestPromises_AreHeldToTheCode(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		at       string // a text of the line that is reported
		says     string // "": no breach
	}{
		"good":                       {},
		"no such test":               {"`FuzzY`", "`TestGone`", "TestGone", "no TestGone in the test files of edge/l1"},
		"a test of another folder":   {"`edge: TestZ`", "`edge: TestX`", "edge: TestX", "no TestX in the test files of edge"},
		"a method is no test":        {"`FuzzY`", "`TestMethod`", "TestMethod", "no TestMethod"},
		"not in a test file":         {"`edge: TestZ`", "`edge: TestCode`", "TestCode", "no TestCode"},
		"in the text":                {"No table: `edge/l1: TestX`", "No table: `edge/l1: TestQ`", "TestQ", "no TestQ"},
		"without a folder":           {"`edge/l1: TestX`, `FuzzY`; ", "`FuzzY`; ", "`FuzzY`", "FuzzY is named without its folder"},
		"in another form":            {"`edge: TestZ`", "`edge TestZ`", "edge TestZ", "`edge TestZ` is not written as"},
		"a row without a test":       {"`edge/l1: TestX`, `FuzzY`; `edge: TestZ` |", "|", "| a | b |", "names no test"},
		"an outcome is missing":      {"| `collapsed` | |\n", "", "**Outcomes**", "collapsed is missing among the Outcomes"},
		"an outcome that is not":     {"| `collapsed` | |\n", "| `collapsed` | |\n| `graced` | |\n", "graced", "graced is not one of"},
		"a fwd word is missing":      {"`bypass`, ", "", "**Forward reasons**", "bypass is missing among the Forward reasons"},
		"a reason is missing":        {"| `private` | |\n", "", "**Reasons not to store**", "private is missing among the Reasons not to store"},
		"a reason that is not":       {"`private`", "`secret`", "`secret`", "secret is not one of"},
		"a word that is there twice": {"| `private` | |\n", "| `private` | |\n| `private` | again |\n", "again", "private is listed twice"},
		"a list is missing":          {"**Outcomes**", "Outcomes", "", "there is no **Outcomes**"},
	} {
		t.Run(name, func(t *testing.T) {
			files := goodTree()
			delete(files, "other/go.mod")
			delete(files, "other/util.go")
			files["edge/l1/more_test.go"] = "package l1\n\nimport \"testing\"\n\ntype s struct{}\n\nfunc (s) TestMethod() {}\n\nfunc FuzzY(f *testing.F) {}\n"
			files["edge/z_test.go"] = "package edge\n\nimport \"testing\"\n\nfunc TestZ(t *testing.T) {}\n"
			files["edge/code.go"] = "package edge\n\nfunc TestCode() {}\n"
			files[promisesFile] = strings.Replace(goodPromises(), c.old, c.new, 1)
			if name != "good" && files[promisesFile] == goodPromises() {
				t.Fatal("the case changes nothing")
			}
			line := 0
			if before, _, ok := strings.Cut(files[promisesFile], c.at); ok && c.at != "" {
				line = 1 + strings.Count(before, "\n")
			}
			found, err := Check(write(t, files))
			if err != nil {
				t.Fatal(err)
			}
			said := slices.ContainsFunc(found, func(v Violation) bool {
				return v.Path == promisesFile && v.Line == line && strings.Contains(v.Why, c.says)
			})
			if c.says == "" && len(found) > 0 || c.says != "" && !said {
				t.Errorf("got %v", found)
			}
		})
	}
}
