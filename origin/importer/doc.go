// Package importer stores a tree of files as objects of one host.
//
// It owns the walk, what a file's path, type and tags become, and the comparison with what is stored
// already, which makes an import resumable: what is there is not sent again. It refuses to leave the
// tree: a symbolic link is followed only to a regular file inside it, and only if the link is relative.
//
// Start reading at Run.
package importer
