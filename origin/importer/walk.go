package importer

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"tiercache/origin/api"
)

// item is a file and the path of one object that it becomes.
type item struct{ file, path string }

// walk lists the tree's objects, in order. What cannot be read is a failure, what is not a file is
// counted.
func (im *importer) walk(ctx context.Context) ([]item, error) {
	var items []item
	err := fs.WalkDir(im.root.FS(), ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && file == ".":
			return err
		case err != nil:
			im.mu.report.fail(file, err)
		case d.IsDir():
		case im.isFile(file, d):
			items = im.appendItems(items, file)
		}
		return nil
	})
	return items, err
}

// isFile reports whether file is a regular one or a link to one inside the tree, and counts what is not.
func (im *importer) isFile(file string, d fs.DirEntry) bool {
	switch {
	case d.Type().IsRegular():
		return true
	case d.Type()&fs.ModeSymlink == 0:
		im.mu.report.Special++
		return false
	}
	target, err := im.root.Stat(file) // fails for a link out of the tree
	if err == nil && target.Mode().IsRegular() {
		return true
	}
	im.mu.report.Links++
	return false
}

// appendItems adds the file's object and, for an index file, the folder's.
func (im *importer) appendItems(items []item, file string) []item {
	at := im.opts.Prefix + "/" + api.EscapePath(file)
	items = append(items, item{file: file, path: at})
	if im.opts.Index != "" && path.Base(file) == im.opts.Index {
		items = append(items, item{file: file, path: at[:len(at)-len(api.EscapePath(im.opts.Index))]})
	}
	return items
}

// errLocal marks what went wrong on this machine.
var errLocal = errors.New("read the file")
