package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What stands between these lines of a page is made here.
const (
	pageBegin = "<!-- figures: make bench-peers -->"
	pageEnd   = "<!-- end of the figures -->"
)

// Page puts the figures into a page that has a place for them, and the plot beside it: figures/peers.png. Errors: those of
// files; a page without the place.
func (r *Report) Page(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begun := strings.Cut(string(text), pageBegin)
	_, after, ended := strings.Cut(rest, pageEnd)
	if !begun || !ended {
		return fmt.Errorf("%s has no place for figures: the lines %s and %s", path, pageBegin, pageEnd)
	}
	figures := filepath.Join(filepath.Dir(path), "figures")
	if err := os.MkdirAll(figures, 0o755); err != nil {
		return err
	}
	if err := r.Plot(filepath.Join(figures, "peers.png")); err != nil {
		return err
	}
	made := pageBegin + "\n\n![Hits a second beside other caches](figures/peers.png)\n\n```text\n" + r.String() + "```\n\n" + r.profilePage() + pageEnd
	return os.WriteFile(path, []byte(before+made+after), 0o644)
}

// profilePage is where the edge's time goes, as a table.
func (r *Report) profilePage() string {
	if len(r.Profile) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Where the edge's time goes, by a profile under the load of the case *%s*:\n\n| part | of its time |\n|---|---|\n", r.Cases[0].Name)
	for _, s := range r.Profile {
		fmt.Fprintf(&b, "| %s | %.1f %% |\n", s.Part, s.Of1*100)
	}
	b.WriteString("\n")
	return b.String()
}
