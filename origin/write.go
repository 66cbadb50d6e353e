package origin

import (
	"errors"
	"net/http"

	"tiercache/origin/api"
	"tiercache/shared/token"
)

// serveAPIObject is /v1/objects/{host}/{path}.
func (o *Origin) serveAPIObject(w *reply, r *http.Request, t target) {
	if err := o.admitAPI(r, http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete); err != nil {
		o.fail(w, r, err)
		return
	}
	a, err := NewAddress(t.host, t.path)
	if err != nil {
		o.fail(w, r, refuse(http.StatusBadRequest, "%s", err))
		return
	}
	switch r.Method {
	case http.MethodPut:
		err = o.putObject(w, r, a)
	case http.MethodDelete:
		err = o.deleteObject(w, r, a)
	default:
		err = o.getObject(w, r, a)
	}
	if err != nil {
		o.fail(w, r, err)
	}
}

// admitAPI checks method and token: PUT and DELETE need the role write, all others read.
func (o *Origin) admitAPI(r *http.Request, methods ...string) error {
	if err := allow(r, methods...); err != nil {
		return err
	}
	need := token.Read
	if r.Method == http.MethodPut || r.Method == http.MethodDelete {
		need = token.Write
	}
	return o.authorize(r, need)
}

// putObject stores the request's body. What can be refused is refused before the body is read.
func (o *Origin) putObject(w *reply, r *http.Request, a Address) error {
	wait, err := waitOf(r)
	if err != nil {
		return err
	}
	object, status, unchanged, err := o.storeObject(w, r, a)
	if err != nil {
		return err
	}
	doc := api.Written{Object: describe(&object), Write: o.place(r.Context(), w, object.Epoch, wait)}
	doc.Unchanged = unchanged
	w.Header().Set("ETag", object.ETag())
	w.Header().Set("Last-Modified", object.LastModified().Format(http.TimeFormat))
	writeJSON(w, status, "application/json", doc)
	return nil
}

// storeObject holds a slot for as long as the body moves, and not while the reply waits for receipts.
func (o *Origin) storeObject(w *reply, r *http.Request, a Address) (object Object, status int, unchanged bool, err error) {
	release, err := o.acquire()
	if err != nil {
		return Object{}, 0, false, err
	}
	defer release()
	up, err := o.uploadOf(r, a)
	if err != nil {
		return Object{}, 0, false, err
	}
	up.Body = &intake{body: r.Body, reply: w, limits: o.limits, max: int64(o.cfg.MaxObjectSize)}
	before, err := o.precheck(r, a, up.Conditions)
	if err != nil {
		return Object{}, 0, false, err
	}
	object, created, err := o.store.Put(r.Context(), up)
	status = http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return object, status, before == object.Version, err
}

// uploadOf reads everything but the body.
func (o *Origin) uploadOf(r *http.Request, a Address) (Upload, error) {
	up := Upload{Address: a}
	if r.Header.Get("Content-Range") != "" {
		return up, refuse(http.StatusBadRequest, "Content-Range: parts of an object cannot be written (RFC 9110, 14.5); send the whole")
	}
	if limit := int64(o.cfg.MaxObjectSize); r.ContentLength > limit {
		return up, tooLarge(limit)
	}
	var err error
	if up.Fields, err = FieldsOf(r.Header); err != nil {
		return up, refuse(http.StatusBadRequest, "%s", err)
	}
	if up.Conditions, err = ConditionsOf(r.Header); err != nil {
		return up, refuse(http.StatusBadRequest, "%s", err)
	}
	if up.Digest, err = digestOf(r.Header); err != nil {
		return up, refuse(http.StatusBadRequest, "%s", err)
	}
	return up, nil
}

// precheck spares the client a body that would be refused, also when the database is down. The
// transaction of the write decides again. It returns the current version's number, 0 for none.
func (o *Origin) precheck(r *http.Request, a Address, c Conditions) (int64, error) {
	current, err := o.store.Current(r.Context(), a)
	switch {
	case errors.Is(err, ErrNotFound):
		if !c.Hold(nil) {
			return 0, ErrPrecondition
		}
		return 0, nil
	case err != nil:
		return 0, err
	case !c.Hold(&current):
		return 0, ErrPrecondition
	}
	return current.Version, nil
}

// deleteObject answers without a body, unless the reply is to wait for receipts.
func (o *Origin) deleteObject(w *reply, r *http.Request, a Address) error {
	wait, err := waitOf(r)
	if err != nil {
		return err
	}
	c, err := ConditionsOf(r.Header)
	if err != nil {
		return refuse(http.StatusBadRequest, "%s", err)
	}
	epoch, err := o.store.Delete(r.Context(), a, c)
	if err != nil {
		return err
	}
	place := o.place(r.Context(), w, epoch, wait)
	if wait == 0 {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	writeJSON(w, http.StatusOK, "application/json", api.Removed{Host: a.Host, Path: a.Path, Deleted: true, Write: place})
	return nil
}

// getObject sends the current object of exactly this host, a kept version (?version=N) or the list of
// the kept versions (?versions).
func (o *Origin) getObject(w *reply, r *http.Request, a Address) error {
	q, err := queryOf(r, "version", "versions")
	if err != nil {
		return err
	}
	if q.has("versions") {
		return o.listVersions(w, r, a)
	}
	var object Object
	if q.has("version") {
		number, err := q.number("version", 0, 1, 1<<62)
		if err != nil {
			return err
		}
		object, err = o.store.Version(r.Context(), a, number)
		if err != nil {
			return absent(err, object.Epoch)
		}
	} else if object, err = o.store.Current(r.Context(), a); err != nil {
		return absent(err, object.Epoch)
	}
	o.serveObject(w, r, &object)
	return nil
}

func (o *Origin) listVersions(w *reply, r *http.Request, a Address) error {
	versions, err := o.store.Versions(r.Context(), a)
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return ErrNotFound
	}
	writeJSON(w, http.StatusOK, "application/json", api.Listing{Objects: describeAll(versions)})
	return nil
}
