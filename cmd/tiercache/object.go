package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tiercache/origin/api"
	"tiercache/origin/client"
	"tiercache/shared/token"
)

func newObjectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "object",
		Short: "Write, read and list the origin's objects",
		Long: "Write, read and list the origin's objects.\n\n" +
			"HOST/PATH names an object as its URL does, without the scheme: www.example.com/docs/a.html.\n" +
			"The host * serves every host that has no object of its own at that path. What may not stand in\n" +
			"a URL's path is percent-encoded; %XX stays as it is, so a literal percent sign is %25.",
	}
	var access originAccess
	access.bind(cmd.PersistentFlags())
	cmd.AddCommand(newObjectPut(&access), newObjectGet(&access), newObjectRemove(&access),
		newObjectList(&access), newObjectImport(&access))
	return cmd
}

// originAccess is how the object commands reach the origin and show who they are.
type originAccess struct{ url, token, dataDir string }

func (a *originAccess) bind(fs *pflag.FlagSet) {
	fs.StringVar(&a.url, "origin", "http://127.0.0.1:7080", "URL of the origin")
	fs.StringVar(&a.token, "token", "", "token with the role write, or read (default $"+token.Variable+", else <data-dir>/"+token.FileName+")")
	fs.StringVar(&a.dataDir, "data-dir", token.DataDir(), "data directory of a platform that up runs")
}

// client returns a client for up to conns requests at a time.
func (a *originAccess) client(conns int) (*client.Client, error) {
	secret, err := token.Find(a.token, a.dataDir)
	if err != nil {
		return nil, err
	}
	return client.New(a.url, secret, conns)
}

// splitObject takes HOST/PATH apart and brings the path into the form of a URL.
func splitObject(arg string) (host, path string, err error) {
	host, path, ok := strings.Cut(arg, "/")
	switch { // without repeating it: a URL may have a password in it
	case strings.Contains(arg, "://"):
		return "", "", usage(errors.New("an object has no scheme: write HOST/PATH, such as www.example.com/index.html"))
	case host == "" || !ok:
		return "", "", usage(errors.New("an object is HOST/PATH, such as www.example.com/index.html"))
	}
	return host, api.RepairPath("/" + path), nil
}

func newObjectRemove(access *originAccess) *cobra.Command {
	var ifMatch string
	var receipts receiptFlags
	cmd := &cobra.Command{
		Use:   "rm HOST/PATH",
		Short: "Delete an object",
		Long:  "Delete an object.\n\n" + receiptsHelp,
		Args:  wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := receipts.validate(); err != nil {
				return err
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
			removed, err := c.Delete(cmd.Context(), client.DeleteRequest{
				Host: host, Path: path, IfMatch: ifMatch, Wait: receipts.duration(), Timeout: receipts.timeout,
			})
			if err != nil {
				return receipts.unanswered(err)
			}
			return receipts.print(cmd, removed.Host+removed.Path+" deleted", &removed, &removed.Write)
		},
	}
	cmd.Flags().StringVar(&ifMatch, "if-match", "", "delete only if the object has this entity tag")
	receipts.bind(cmd.Flags())
	return cmd
}
