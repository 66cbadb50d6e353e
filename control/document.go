package control

import (
	"context"
	"errors"
	"unicode/utf8"

	"tiercache/control/client"
	"tiercache/shared/config"
	"tiercache/shared/policy"
)

// readDocument reads a service document, YAML or JSON, and checks it. A name that is given is that of the
// service it is for: the document may leave it out, but not say another. The error is a problem with the
// field that is wrong and its line and column.
func readDocument(name string, source []byte) (*policy.Service, error) {
	doc, wrong := check(name, source)
	if wrong != nil {
		return nil, mistaken("the service document is not valid", *wrong)
	}
	return doc, nil
}

// CheckDocument says what is wrong with a service document without asking anybody, and for which service it is.
// The name may be empty, which is that of the document.
func CheckDocument(name string, source []byte) (service string, wrong []client.Mistake) {
	doc, mistake := check(name, source)
	if mistake != nil {
		return "", []client.Mistake{*mistake}
	}
	return doc.Name, nil
}

func check(name string, source []byte) (*policy.Service, *client.Mistake) {
	if !utf8.Valid(source) {
		return nil, &client.Mistake{Message: "it is not UTF-8"}
	}
	doc := &policy.Service{Name: name}
	if err := config.Decode("document", source, doc); err != nil {
		place, reason, _ := config.Explain(err)
		return nil, &client.Mistake{Message: reason, Line: place.Line, Column: place.Column}
	}
	err := doc.Validate()
	if err == nil && name != "" && doc.Name != name {
		err = &policy.FieldError{Path: "name", Reason: "the document is for " + doc.Name + ", and was sent for " + name}
	}
	var field *policy.FieldError
	switch {
	case err == nil:
		return doc, nil
	case errors.As(err, &field):
		place, _ := config.Locate(source, field.Path)
		return nil, &client.Mistake{Message: field.Reason, Location: field.Path, Line: place.Line, Column: place.Column}
	}
	return nil, &client.Mistake{Message: err.Error()}
}

// warnings tells why a valid document cannot be activated beside those of the other services.
func (c *Control) warnings(ctx context.Context, doc *policy.Service) ([]string, error) {
	services, err := c.store.Services(ctx)
	if err != nil {
		return nil, err
	}
	for i := range services {
		s := &services[i]
		if s.ActiveVersion == 0 || s.Name == doc.Name {
			continue
		}
		other, err := c.active(ctx, s)
		if err != nil || other.Document == nil {
			return nil, err
		}
		// In pairs: what is wrong between the others is not this document's fault.
		_, err = policy.NewSet([]policy.Service{*doc, *other.Document})
		var field *policy.FieldError
		switch {
		case errors.As(err, &field):
			return []string{"hosts: " + field.Reason}, nil
		case err != nil:
			return []string{err.Error()}, nil
		}
	}
	return nil, nil
}
