package scenarios

import (
	_ "embed" // the page's text
	"fmt"
	"html/template"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
)

//go:embed page.html.tmpl
var pageText string

// save writes the page of what there is so far.
func (r *Results) save(folder string) (err error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"bytes": func(n int64) string { return humanize.IBytes(uint64(n)) },
		"count": func(n int) string { return humanize.Comma(int64(n)) },
		"share": func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) },
		"ms":    func(x float64) string { return fmt.Sprintf("%.1f", x) },
	}).Parse(pageText)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(folder, "index.html"))
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	return t.Execute(f, r)
}
