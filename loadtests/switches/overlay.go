package switches

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Env is the variable with the name of the mechanism that a process has switched off.
const Env = "TIERCACHE_OFF"

// source is what off, named and lasting are in a package that is changed.
const source = `package %[1]s

import (
	"fmt"
	"os"
	"time"
)

var switchedOff = os.Getenv(%[2]q)

func named(name string, print uint64) string {
	if switchedOff == "scopes do not depend on the policy" {
		return fmt.Sprint(name, "@", print)
	}
	return name
}

func lasting(d time.Duration) time.Duration {
	if switchedOff == "who has not applied a purge is waited for until its lease is over" {
		return 0
	}
	return d
}

var _, _ = named, lasting
`

// Overlay is files in the place of those that ship, for one build.
type Overlay struct {
	root  string
	texts map[string]string // by path from root
}

// NewOverlay is one without any, for the repository at root.
func NewOverlay(root string) *Overlay { return &Overlay{root: root, texts: map[string]string{}} }

// Switches puts switches for all mechanisms in. Which one is off is up to Env of the process.
func (o *Overlay) Switches() error {
	packages := map[string]bool{}
	for _, m := range Mechanisms() {
		for _, c := range m.Changes {
			c.Becomes = strings.ReplaceAll(c.Becomes, "off()", fmt.Sprintf("(switchedOff == %q)", m.Name))
			if err := o.Replace(c); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
			packages[filepath.Dir(c.File)] = true
		}
	}
	for folder := range packages {
		o.Add(filepath.Join(folder, "switched_off.go"), fmt.Sprintf(source, filepath.Base(folder), Env))
	}
	return nil
}

// Replace makes a change. Two may be of the same place: then it has both.
func (o *Overlay) Replace(c Change) error {
	text, ok := o.texts[c.File]
	if !ok {
		content, err := os.ReadFile(filepath.Join(o.root, c.File))
		if err != nil {
			return err
		}
		text = string(content)
	}
	if n := strings.Count(text, c.Is); n != 1 {
		return fmt.Errorf("%s has the text %q %d times, want once: the code has changed", c.File, c.Is, n)
	}
	o.texts[c.File] = strings.Replace(text, c.Is, c.Becomes, 1)
	return nil
}

// Add adds a file, by its path from the root.
func (o *Overlay) Add(file, text string) { o.texts[file] = text }

// Write writes all of it below dir and returns the file that -overlay takes.
func (o *Overlay) Write(dir string) (string, error) {
	replace := map[string]string{}
	for file, text := range o.texts {
		path := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(o.root, file)] = path
	}
	index, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, index, 0o600)
}
