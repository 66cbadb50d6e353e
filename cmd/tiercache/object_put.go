package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"tiercache/origin/api"
	"tiercache/origin/client"
	"tiercache/origin/importer"
)

// objectPut is the settings of `object put`.
type objectPut struct {
	contentType, cacheControl string
	tags                      []string
	ifMatch, ifNone           string
	receipts                  receiptFlags
}

func newObjectPut(access *originAccess) *cobra.Command {
	var p objectPut
	cmd := &cobra.Command{
		Use:   "put HOST/PATH FILE|-",
		Short: "Store a file, or standard input, as an object",
		Long:  "Store a file, or standard input, as an object.\n\n" + receiptsHelp,
		Example: "  tiercache object put www.example.com/index.html index.html --tag front --wait\n" +
			"  tiercache object put '*/hello.txt' - --cache-control 'public, max-age=60'",
		Args: wantArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.receipts.validate(); err != nil {
				return err
			}
			c, err := access.client(1)
			if err != nil {
				return err
			}
			defer c.Close()
			return p.run(cmd, c, args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.contentType, "content-type", "", "Content-Type (default: guessed from name and content)")
	f.StringVar(&p.cacheControl, "cache-control", "public, max-age=3600", "Cache-Control of the object; empty: none, so caches decide by policy")
	f.StringArrayVar(&p.tags, "tag", nil, "tag to purge by, white space and all; may be repeated")
	f.StringVar(&p.ifMatch, "if-match", "", "write only if the object has this entity tag; * for any object")
	f.StringVar(&p.ifNone, "if-none-match", "", "write only if the object has not this entity tag; * for no object")
	p.receipts.bind(f)
	return cmd
}

func (p *objectPut) run(cmd *cobra.Command, c *client.Client, object, file string) error {
	host, path, err := splitObject(object)
	if err != nil {
		return err
	}
	body, size, err := openInput(cmd.InOrStdin(), file)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // read only
	req := client.PutRequest{Host: host, Path: path, Size: size, IfMatch: p.ifMatch, IfNone: p.ifNone, Wait: p.receipts.duration(), Timeout: p.receipts.timeout}
	if req.Body, err = p.describe(&req, path, body); err != nil {
		return err
	}
	o, err := c.Put(cmd.Context(), req)
	if err != nil {
		return p.receipts.unanswered(err)
	}
	note := ""
	if o.Unchanged {
		note = " (unchanged)"
	}
	line := fmt.Sprintf("%s%s %d bytes %s%s", o.Host, o.Path, o.Size, o.ETag, note)
	return p.receipts.print(cmd, line, &o, &o.Write)
}

// describe sets the fields to store; the type is guessed from the first bytes, which stay in the body.
func (p *objectPut) describe(req *client.PutRequest, path string, body io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(body)
	head, err := buffered.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	tags, err := api.TagField(p.tags)
	if err != nil {
		return nil, usage(fmt.Errorf("--tag: %w", err))
	}
	req.Fields = map[string]string{
		"Content-Type":  p.contentType,
		"Cache-Control": p.cacheControl,
		"Surrogate-Key": tags,
	}
	if p.contentType == "" {
		req.Fields["Content-Type"] = importer.TypeOf(path, head)
	}
	return buffered, nil
}

// openInput opens the file, or takes standard input of unknown size for "-".
func openInput(stdin io.Reader, file string) (io.ReadCloser, int64, error) {
	if file == "-" {
		return io.NopCloser(stdin), -1, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory: `tiercache object import` stores one", file)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if !info.Mode().IsRegular() {
		return f, -1, nil
	}
	return f, info.Size(), nil
}
