package client

import (
	"context"
	"encoding/base64"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tiercache/origin/api"
)

// expectAbove is the size of a body from which on the client asks before it sends.
const expectAbove = 1 << 20

// PutRequest is one write. Host and Path name the object, Path percent-encoded.
type PutRequest struct {
	Host, Path string
	Body       io.Reader
	Size       int64             // -1: not known
	SHA256     []byte            // the body's, checked by the origin; nil: not known
	Fields     map[string]string // response fields to store, such as Content-Type
	IfMatch    string            // entity tag or *; empty: no condition
	IfNone     string            // If-None-Match; empty: no condition
	Wait       time.Duration     // for the receipts of all nodes, up to api.MaxWait; 0: not at all
	Timeout    time.Duration     // for the answer, once all was sent, above Wait; 0: the usual one
}

// waitQuery asks for receipts.
func waitQuery(wait time.Duration) string {
	if wait <= 0 {
		return ""
	}
	return url.Values{api.WaitParameter: {wait.String()}}.Encode()
}

// Put stores an object.
func (c *Client) Put(ctx context.Context, p PutRequest) (api.Written, error) {
	req, err := c.request(ctx, http.MethodPut, p.Host, p.Path, waitQuery(p.Wait), io.NopCloser(p.Body))
	if err != nil {
		return api.Written{}, err
	}
	req.ContentLength = p.Size
	if p.Size == 0 {
		req.Body = http.NoBody
	}
	if p.Size < 0 || p.Size > expectAbove {
		req.Header.Set("Expect", "100-continue")
	}
	fields := maps.Clone(p.Fields)
	if fields == nil {
		fields = map[string]string{}
	}
	fields["If-Match"], fields["If-None-Match"] = p.IfMatch, p.IfNone
	if p.SHA256 != nil {
		fields["Repr-Digest"] = "sha-256=:" + base64.StdEncoding.EncodeToString(p.SHA256) + ":"
	}
	for name, value := range fields {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := c.do(req, p.Timeout)
	if err != nil {
		return api.Written{}, err
	}
	var o api.Written
	err = document(resp, &o)
	return o, err
}

// Get returns the object's response; the caller closes its body. Version 0 is the current one.
func (c *Client) Get(ctx context.Context, host, path string, version int64) (*http.Response, error) {
	query := ""
	if version != 0 {
		query = "version=" + strconv.FormatInt(version, 10)
	}
	req, err := c.request(ctx, http.MethodGet, host, path, query, nil)
	if err != nil {
		return nil, err
	}
	return c.do(req, 0)
}

// DeleteRequest is one delete.
type DeleteRequest struct {
	Host, Path string
	IfMatch    string        // entity tag or *; empty: no condition
	Wait       time.Duration // as in PutRequest
	Timeout    time.Duration // as in PutRequest
}

// Delete removes an object.
func (c *Client) Delete(ctx context.Context, d DeleteRequest) (api.Removed, error) {
	removed := api.Removed{Host: d.Host, Path: d.Path, Deleted: true}
	req, err := c.request(ctx, http.MethodDelete, d.Host, d.Path, waitQuery(d.Wait), nil)
	if err != nil {
		return removed, err
	}
	if d.IfMatch != "" {
		req.Header.Set("If-Match", d.IfMatch)
	}
	resp, err := c.do(req, d.Timeout)
	if err != nil {
		return removed, err
	}
	if resp.StatusCode != http.StatusNoContent {
		err := document(resp, &removed)
		return removed, err
	}
	if epoch, err := strconv.ParseUint(resp.Header.Get(api.EpochField), 10, 64); err == nil {
		removed.Epoch = &epoch
	}
	return removed, resp.Body.Close()
}

// Versions lists the kept versions of an object, the newest first.
func (c *Client) Versions(ctx context.Context, host, path string) ([]api.Object, error) {
	listing, err := c.listing(ctx, host, path, "versions")
	return listing.Objects, err
}

// List yields the objects of a host whose paths start with prefix, in order of their paths, a page of
// api.MaxPage at a time. It ends with the first error.
func (c *Client) List(ctx context.Context, host, prefix string) iter.Seq2[api.Object, error] {
	return func(yield func(api.Object, error) bool) {
		q := url.Values{"limit": {strconv.Itoa(api.MaxPage)}, "prefix": {prefix}}
		for {
			page, err := c.listing(ctx, host, "", q.Encode())
			if err != nil {
				yield(api.Object{}, err)
				return
			}
			for _, o := range page.Objects {
				if !yield(o, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.Set("after", page.Next)
		}
	}
}

func (c *Client) listing(ctx context.Context, host, path, query string) (api.Listing, error) {
	req, err := c.request(ctx, http.MethodGet, host, path, query, nil)
	if err != nil {
		return api.Listing{}, err
	}
	resp, err := c.do(req, 0)
	if err != nil {
		return api.Listing{}, err
	}
	var l api.Listing
	return l, document(resp, &l)
}
