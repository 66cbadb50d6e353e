package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/control/postgres"
	"tiercache/shared/token"
)

// registerServices registers the operations on service documents.
func (c *Control) registerServices(api huma.API) {
	const one = "/v1/services/{name}"
	huma.Register(api, c.perService(api, http.MethodGet, "/v1/services", "listServices", "List the services, each with its newest version", token.Read), c.listServices)
	huma.Register(api, c.perService(api, http.MethodPost, "/v1/services/validate", "validateService", "Check a service document without storing it", token.Read), c.validateService)
	huma.Register(api, c.perService(api, http.MethodGet, one, "getService", "Get a service document", token.Read), c.getService)
	put := c.perService(api, http.MethodPut, one, "putService", "Store a new version of a service document; it takes effect when it is activated", token.Admin)
	put.Errors = append(put.Errors, http.StatusPreconditionFailed, http.StatusUnprocessableEntity)
	huma.Register(api, put, c.putService)
	huma.Register(api, c.perService(api, http.MethodGet, one+"/versions", "listServiceVersions", "List the versions of a service document, newest first", token.Read), c.listVersions)
	huma.Register(api, c.perService(api, http.MethodGet, one+"/diff", "diffService", "Show what differs between two versions", token.Read), c.diffService)
	huma.Register(api, c.perService(api, http.MethodPost, one+"/versions/{version}/activate", "activateService", "Make the fleet follow a version, the newest or an earlier one", token.Admin), c.activateService)
}

// ServiceName is the part of a request that says which service. It is exported because huma looks into no other
// embedded field.
type ServiceName struct {
	Name string `path:"name" maxLength:"64" pattern:"^[a-z0-9_-]+$" patternDescription:"the name of a service: a-z, 0-9, - and _"`
}

// reach is nil when the caller's token is for the service.
func (n *ServiceName) reach(ctx context.Context) error { return reach(ctx, n.Name) }

func reach(ctx context.Context, service string) error {
	if who := callerOf(ctx); !who.Reaches(service) {
		return huma.Error403Forbidden(who.IsLimited(fmt.Sprintf("this is about service %.80q", service)).Error())
	}
	return nil
}

type serviceReply struct {
	CacheControl string `header:"Cache-Control"`
	ETag         string `header:"ETag"`
	Body         client.Service
}

type servicesReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.Services
}

func (c *Control) listServices(ctx context.Context, _ *struct{}) (*servicesReply, error) {
	records, err := c.store.Services(ctx)
	if err != nil {
		return nil, c.fault(ctx, err)
	}
	return &servicesReply{CacheControl: "no-store", Body: describeServices(ctx, records)}, nil
}

func (c *Control) listVersions(ctx context.Context, in *ServiceName) (*servicesReply, error) {
	if err := in.reach(ctx); err != nil {
		return nil, err
	}
	records, err := c.store.ServiceVersions(ctx, in.Name)
	if err != nil {
		return nil, c.absent(ctx, err, fmt.Sprintf("service %q", in.Name))
	}
	return &servicesReply{CacheControl: "no-store", Body: describeServices(ctx, records)}, nil
}

type getServiceInput struct {
	ServiceName
	Version string `query:"version" doc:"A number, or active; the newest if absent"`
}

func (c *Control) getService(ctx context.Context, in *getServiceInput) (*serviceReply, error) {
	v, err := c.version(ctx, &in.ServiceName, in.Version)
	if err != nil {
		return nil, err
	}
	return &serviceReply{CacheControl: "no-store", ETag: entityTag(v.Version), Body: describeService(&v)}, nil
}

type putServiceInput struct {
	ServiceName
	IfMatch     string `header:"If-Match" doc:"The newest version, as GET gives it in ETag: 412 if there is a newer one"`
	IfNoneMatch string `header:"If-None-Match" doc:"* stores the document only if the service has none"`
	RawBody     []byte `contentType:"application/yaml"`
}

// putService stores a draft. A document that is the newest version already, byte for byte, makes no new one.
func (c *Control) putService(ctx context.Context, in *putServiceInput) (*serviceReply, error) {
	if err := in.reach(ctx); err != nil {
		return nil, err
	}
	doc, err := readDocument(in.Name, in.RawBody)
	if err != nil {
		return nil, err
	}
	newest, err := c.store.Service(ctx, in.Name) // version 0 when there is none
	if err != nil && !errors.Is(err, postgres.ErrNotFound) {
		return nil, c.fault(ctx, err)
	}
	if err := in.precondition(newest.Version); err != nil {
		return nil, err
	}
	if newest.Version == 0 || !bytes.Equal(newest.Source, in.RawBody) {
		version, err := c.store.PutServiceAfter(ctx, newest.Version, in.Name, in.RawBody, doc, actor(ctx))
		if errors.Is(err, postgres.ErrConflict) {
			return nil, huma.Error412PreconditionFailed("somebody stored a version at the same time: look at it first")
		}
		if err == nil {
			newest, err = c.store.ServiceVersion(ctx, in.Name, version)
		}
		if err != nil {
			return nil, c.fault(ctx, err)
		}
	}
	reply := &serviceReply{CacheControl: "no-store", ETag: entityTag(newest.Version), Body: describeService(&newest)}
	reply.Body.Warnings, err = c.warnings(ctx, doc)
	return reply, c.fault(ctx, err)
}

// precondition compares what the client believes to be the newest version with what is.
func (in *putServiceInput) precondition(latest int) error {
	is := "the service has no version yet"
	if latest > 0 {
		is = fmt.Sprintf("the newest version is %d", latest)
	}
	switch {
	case in.IfNoneMatch != "" && in.IfNoneMatch != "*":
		return huma.Error400BadRequest("If-None-Match: only * is of use here")
	case in.IfNoneMatch == "*" && latest > 0:
		return huma.Error412PreconditionFailed(is)
	case in.IfMatch == "" || in.IfMatch == "*" && latest > 0:
		return nil
	case strings.Trim(in.IfMatch, `"`) != strconv.Itoa(latest):
		return huma.Error412PreconditionFailed(is)
	}
	return nil
}

type validateInput struct {
	Service string `query:"service" maxLength:"64" doc:"What the document is for; it then may leave its name out"`
	RawBody []byte `contentType:"application/yaml"`
}

type validateReply struct{ Body client.Validation }

func (c *Control) validateService(ctx context.Context, in *validateInput) (*validateReply, error) {
	doc, err := readDocument(in.Service, in.RawBody)
	if err != nil {
		return nil, err
	}
	if err := reach(ctx, doc.Name); err != nil {
		return nil, err
	}
	warnings, err := c.warnings(ctx, doc)
	return &validateReply{Body: client.Validation{Name: doc.Name, Warnings: warnings}}, c.fault(ctx, err)
}

type diffInput struct {
	ServiceName
	From string `query:"from" doc:"A version; 0 for no document; the active one if absent"`
	To   string `query:"to" doc:"A version, or active; the newest if absent"`
}

type diffReply struct{ Body client.ServiceDiff }

// diffService compares two versions in one form, so that comments and the order of fields do not count.
func (c *Control) diffService(ctx context.Context, in *diffInput) (*diffReply, error) {
	to, err := c.version(ctx, &in.ServiceName, in.To)
	if err != nil {
		return nil, err
	}
	if in.From == "" {
		in.From = strconv.Itoa(to.ActiveVersion)
	}
	body := client.ServiceDiff{Name: in.Name, To: to.Version}
	var before []byte
	if in.From != "0" {
		from, err := c.version(ctx, &in.ServiceName, in.From)
		if err != nil {
			return nil, err
		}
		body.From, before = from.Version, canonical(&from)
	}
	body.Diff = diffLines(string(before), string(canonical(&to)))
	return &diffReply{Body: body}, nil
}
