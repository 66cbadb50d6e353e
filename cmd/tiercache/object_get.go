package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tiercache/origin/api"
	"tiercache/origin/client"
)

func newObjectGet(access *originAccess) *cobra.Command {
	var file string
	var version int64
	cmd := &cobra.Command{
		Use:   "get HOST/PATH",
		Short: "Read an object from the origin",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			host, path, err := splitObject(args[0])
			if err != nil {
				return err
			}
			c, err := access.client(1)
			if err != nil {
				return err
			}
			defer c.Close()
			resp, err := c.Get(cmd.Context(), host, path, version)
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }() // read to its end or given up
			if file == "" {
				return copyVerified(cmd.OutOrStdout(), resp)
			}
			return saveVerified(file, resp)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "O", "", "file to write (default: standard output)")
	cmd.Flags().Int64Var(&version, "version", 0, "a kept version instead of the current one; `object ls --versions` lists them")
	return cmd
}

// copyVerified copies the body and compares it with the digest that came with it.
func copyVerified(w io.Writer, resp *http.Response) error {
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, h), resp.Body); err != nil {
		return fmt.Errorf("the object is not whole: %w", err)
	}
	want := resp.Header.Get("Repr-Digest")
	if got := "sha-256=:" + base64.StdEncoding.EncodeToString(h.Sum(nil)) + ":"; want != "" && want != got {
		return fmt.Errorf("the object is damaged: it has the digest %s instead of %s", got, want)
	}
	return nil
}

// saveVerified replaces the file only by a whole object.
func saveVerified(file string, resp *http.Response) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(copyVerified(f, resp), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// objectList is the settings of `object ls`.
type objectList struct {
	output   string
	versions bool
}

func newObjectList(access *originAccess) *cobra.Command {
	var l objectList
	cmd := &cobra.Command{
		Use:   "ls HOST[/PREFIX]",
		Short: "List the objects of a host, or the kept versions of an object",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if l.output != "table" && l.output != "json" {
				return fmt.Errorf("-o %s: there are table and json", l.output)
			}
			c, err := access.client(1)
			if err != nil {
				return err
			}
			defer c.Close()
			return l.run(cmd, c, args[0])
		},
	}
	cmd.Flags().StringVarP(&l.output, "output", "o", "table", "table, or json: an object a line")
	cmd.Flags().BoolVar(&l.versions, "versions", false, "list the versions of the object HOST/PATH, the newest first")
	return cmd
}

func (l *objectList) run(cmd *cobra.Command, c *client.Client, arg string) error {
	host, rest, hasPrefix := strings.Cut(arg, "/")
	prefix := ""
	if hasPrefix {
		prefix = api.RepairPath("/" + rest)
	}
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	encoder := json.NewEncoder(cmd.OutOrStdout())
	print := func(o api.Object) error {
		if l.output == "json" {
			return encoder.Encode(o)
		}
		return printObject(out, o)
	}
	if l.versions {
		versions, err := c.Versions(cmd.Context(), host, prefix)
		if err != nil {
			return err
		}
		for _, o := range versions {
			if err := print(o); err != nil {
				return err
			}
		}
		return out.Flush()
	}
	for o, err := range c.List(cmd.Context(), host, prefix) {
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
		if err := print(o); err != nil {
			return err
		}
	}
	return out.Flush()
}

func printObject(w io.Writer, o api.Object) error {
	tag := o.ETag
	if o.Deleted {
		tag = "(deleted)"
	}
	_, err := fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%s\n", o.Size, o.LastModified.Format("2006-01-02 15:04:05"), o.Version, tag, o.Path)
	return err
}
