package switches

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Every place that a mechanism replaces is in the code that ships, and what replaces it compiles.
func TestSwitches_AreInTheCodeThatShips(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the binary once more")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	o := NewOverlay(root)
	if err := o.Switches(); err != nil {
		t.Fatal(err)
	}
	index, err := o.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	compile := exec.Command("go", "vet", "-overlay", index, "./shared/...", "./control/...")
	compile.Dir = root
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestReplace_WantsThePlaceOnce(t *testing.T) {
	o := NewOverlay("../..")
	for is, want := range map[string]string{"no such text anywhere": " 0 times", "the": " times"} {
		err := o.Replace(Change{File: "loadtests/switches/doc.go", Is: is, Becomes: "x"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", is, err)
		}
	}
}
