package importer

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"tiercache/origin/api"
)

// variables are what a tag template may name, in braces.
func variables() []string { return []string{"path", "dir", "ext", "name"} }

// CheckTemplate reports a template that is empty or names an unknown variable.
func CheckTemplate(template string) error {
	if template == "" {
		return errors.New("a tag is empty")
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
// last dot. What comes of a template is one tag, in the spelling of a purge of the same words; of one that
// comes to nothing there is none. Errors: invalidation.ErrTag for one that is too long.
func tags(templates []string, file string) (string, error) {
	name := path.Base(file)
	replacer := strings.NewReplacer("{path}", file, "{dir}", path.Dir(file), "{name}", name, "{ext}", strings.TrimPrefix(path.Ext(name), "."))
	var filled []string
	for _, t := range templates {
		if tag := replacer.Replace(t); tag != "" {
			filled = append(filled, tag)
		}
	}
	return api.TagField(filled)
}
