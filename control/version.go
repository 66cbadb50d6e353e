package control

import (
	"context"
	"fmt"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"tiercache/control/client"
	"tiercache/control/postgres"
	"tiercache/shared/config"
)

// version is the version of a service that a request names: a number, "active", or the newest for "".
func (c *Control) version(ctx context.Context, in *ServiceName, which string) (postgres.ServiceRecord, error) {
	if err := in.reach(ctx); err != nil {
		return postgres.ServiceRecord{}, err
	}
	number, err := strconv.Atoi(which)
	var v postgres.ServiceRecord
	what := fmt.Sprintf("service %q", in.Name)
	switch {
	case which == "" || which == "active":
		v, err = c.store.Service(ctx, in.Name)
		if err == nil && which == "active" {
			what = "active version of " + what
			v, err = c.active(ctx, &v)
		}
	case err != nil || number <= 0 || number > maxVersion:
		return v, huma.Error422UnprocessableEntity(fmt.Sprintf("version %.40q: use a number or active", which))
	default:
		what = fmt.Sprintf("version %d of %s", number, what)
		v, err = c.store.ServiceVersion(ctx, in.Name, number)
	}
	return v, c.absent(ctx, err, what)
}

// maxVersion is what fits PostgreSQL's integer.
const maxVersion = 1<<31 - 1

// active is the active version of a service, of which any version is given. Errors: postgres.ErrNotFound when none
// is, postgres.ErrUnavailable.
func (c *Control) active(ctx context.Context, v *postgres.ServiceRecord) (postgres.ServiceRecord, error) {
	switch {
	case v.Active:
		return *v, nil
	case v.ActiveVersion == 0:
		return postgres.ServiceRecord{}, fmt.Errorf("%w: no version is active", postgres.ErrNotFound)
	}
	return c.store.ServiceVersion(ctx, v.Name, v.ActiveVersion)
}

// describeService is a version as the API shows it.
func describeService(v *postgres.ServiceRecord) client.Service {
	return client.Service{
		Name: v.Name, Version: v.Version, Active: v.Active, Source: string(v.Source), CreatedAt: v.CreatedAt,
		CreatedBy: v.CreatedBy, ActivatedAt: v.ActivatedAt, ActiveVersion: v.ActiveVersion,
	}
}

// describeServices lists versions without their documents, those that the caller's token reaches.
func describeServices(ctx context.Context, records []postgres.ServiceRecord) client.Services {
	list, who := client.Services{Services: make([]client.Service, 0, len(records))}, callerOf(ctx)
	for i := range records {
		if s := describeService(&records[i]); who.Reaches(s.Name) {
			s.Source = ""
			list.Services = append(list.Services, s)
		}
	}
	return list
}

// canonical is a version's document in the one form in which documents are compared.
func canonical(v *postgres.ServiceRecord) []byte {
	if v.Document == nil {
		return nil
	}
	return config.Encode(v.Document)
}

// entityTag is the version of a service as an entity tag (RFC 9110, 8.8.3).
func entityTag(version int) string { return strconv.Quote(strconv.Itoa(version)) }

// actor is who makes the change that a request asks for.
func actor(ctx context.Context) postgres.Actor {
	who := callerOf(ctx)
	return postgres.Actor{Token: who.ID, Name: who.Name, From: who.From}
}
