package importer

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"tiercache/origin/api"
)

// variables are what a tag template may name, in braces.
func variables() []string { return []string{"path", "dir", "ext", "name"} }

// CheckTemplate reports a template that names an unknown variable or that white space would split into
// several tags.
func CheckTemplate(template string) error {
	if template == "" || strings.ContainsAny(template, " \t\r\n") {
		return fmt.Errorf("tag %q is empty or has white space, which separates tags", template)
	}
	rest := template
	for {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			return nil
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed || !slices.Contains(variables(), name) {
			return fmt.Errorf("tag %q: {%s is none of {path}, {dir}, {ext}, {name}", template, name)
		}
		rest = tail
	}
}

// tags fills in the templates for a file of the tree: {path} is its path below the tree, {dir} the
// folder that it is in ("." for the tree itself), {name} its last part, {ext} what follows the name's
// last dot. Values are percent-encoded, so that none is two tags.
func tags(templates []string, file string) string {
	name := path.Base(file)
	replacer := strings.NewReplacer(
		"{path}", api.EscapePath(file),
		"{dir}", api.EscapePath(path.Dir(file)),
		"{name}", api.EscapePath(name),
		"{ext}", api.EscapePath(strings.TrimPrefix(path.Ext(name), ".")),
	)
	filled := make([]string, len(templates))
	for i, t := range templates {
		filled[i] = replacer.Replace(t)
	}
	return strings.Join(filled, " ")
}
