package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Services lists the services, each with its newest version. Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) Services(ctx context.Context) (Services, error) {
	var s Services
	err := c.get(ctx, "/v1/services", &s)
	return s, err
}

// Service gets a version of a service document: a number, "active", or "" for the newest.
// Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) Service(ctx context.Context, name, version string) (Service, error) {
	var s Service
	err := c.get(ctx, servicePath(name)+"?version="+url.QueryEscape(version), &s)
	return s, err
}

// ServiceVersions lists the versions of a service, newest first.
// Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) ServiceVersions(ctx context.Context, name string) (Services, error) {
	var s Services
	err := c.get(ctx, servicePath(name)+"/versions", &s)
	return s, err
}

// PutService stores a document, YAML or JSON, as the newest version of the service. Unless latest is negative
// it must be the number of the version that is the newest till then, 0 for none.
// Errors: ErrUnreachable, ErrUnauthorized, *Problem with the fields that are wrong.
func (c *Client) PutService(ctx context.Context, name string, source []byte, latest int) (Service, error) {
	header := map[string]string{"Content-Type": "application/yaml"}
	switch {
	case latest == 0:
		header["If-None-Match"] = "*"
	case latest > 0:
		header["If-Match"] = strconv.Quote(strconv.Itoa(latest))
	}
	var s Service
	err := c.do(ctx, call{method: http.MethodPut, path: servicePath(name), header: header, body: notNil(source)}, &s)
	return s, err
}

// ValidateService checks a document without storing it; name may be empty.
// Errors: ErrUnreachable, ErrUnauthorized, *Problem with the fields that are wrong.
func (c *Client) ValidateService(ctx context.Context, name string, source []byte) (Validation, error) {
	var v Validation
	header := map[string]string{"Content-Type": "application/yaml"}
	path := "/v1/services/validate?service=" + url.QueryEscape(name)
	err := c.do(ctx, call{method: http.MethodPost, path: path, header: header, body: notNil(source)}, &v)
	return v, err
}

// ActivateService makes the fleet follow a version, and waits up to wait until every node does.
// Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) ActivateService(ctx context.Context, name string, version int, wait time.Duration) (Activation, error) {
	var a Activation
	path := fmt.Sprintf("%s/versions/%d/activate", servicePath(name), version)
	body := map[string]string{}
	if wait > 0 {
		body["wait"] = wait.String()
	}
	err := c.do(ctx, call{method: http.MethodPost, path: path, json: body, patience: wait + timeout}, &a)
	return a, err
}

// DiffService compares two versions, as Service takes them; from "" is the active one, "0" no document.
// Errors: ErrUnreachable, ErrUnauthorized, *Problem.
func (c *Client) DiffService(ctx context.Context, name, from, to string) (ServiceDiff, error) {
	var d ServiceDiff
	err := c.get(ctx, servicePath(name)+"/diff?from="+url.QueryEscape(from)+"&to="+url.QueryEscape(to), &d)
	return d, err
}

func servicePath(name string) string { return "/v1/services/" + url.PathEscape(name) }

// notNil makes an empty body one that is sent.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
