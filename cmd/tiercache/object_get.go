package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
		Long: "Read an object from the origin. A file is replaced as a whole, once all of the object has come; what is there\n" +
			"and is no regular file, such as a pipe or a device, is written to. Links are followed.",
		Args: wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if version < 0 {
				return usage(fmt.Errorf("--version %d: versions are numbers above 0", version))
			}
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
			return saveVerified(cmd.Context(), file, resp)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "O", "", "file to write (default: standard output)")
	cmd.Flags().Int64Var(&version, "version", 0, "a kept version instead of the current one: see object ls --versions")
	return cmd
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
		Args:  wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(l.output); err != nil {
				return err
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
