package origin

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"tiercache/origin/api"
)

// servePublic answers anybody's read. The query is not part of an object's name and is ignored.
func (o *Origin) servePublic(w *reply, r *http.Request, t target) {
	if err := allow(r, http.MethodGet, http.MethodHead); err != nil {
		o.fail(w, r, err)
		return
	}
	a, err := NewAddress(t.host, t.path)
	if err != nil {
		o.fail(w, r, refuse(http.StatusBadRequest, "%s", err))
		return
	}
	object, err := o.store.Lookup(r.Context(), a)
	if err != nil {
		o.fail(w, r, readProblem(absent(err, object.Epoch)))
		return
	}
	o.serveObject(w, r, &object)
}

// stamp tells a cache as of when it may count what it is given for current. The database itself was asked, so
// that no lease is needed: the caches take it for one.
func stamp(h http.Header, epoch uint64) {
	if epoch > 0 {
		h.Set(api.EpochField, strconv.FormatUint(epoch, 10))
		h.Set("Tiercache-Lease", "live")
	}
}

// readProblem is err for a public read. Towards its readers the origin is a gateway to the database, so
// one that does not answer is 504 (RFC 9110, 15.6.5); a cache may then serve stale.
func readProblem(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return refuse(http.StatusGatewayTimeout, "the database does not answer now; try again soon")
	}
	return err
}

// serveObject sends an object, with the request's conditions and its byte range applied. Several ranges
// are answered with the whole object, which RFC 9110, 14.2, allows: each range would cost a chunk.
func (o *Origin) serveObject(w *reply, r *http.Request, object *Object) {
	release, err := o.acquire()
	if err != nil {
		o.fail(w, r, err)
		return
	}
	defer release()
	h := w.Header()
	object.Fields.writeTo(h)
	h.Set("ETag", object.ETag())
	h.Set("Repr-Digest", object.Digest.Field())
	stamp(h, object.Epoch)
	if strings.Contains(r.Header.Get("Range"), ",") {
		r.Header.Del("Range")
	}
	body := o.store.Open(r.Context(), *object)
	defer func() { _ = body.Close() }() // only ends reads
	watched := &watchedBody{ReadSeeker: body}
	http.ServeContent(headFixer{reply: w, object: object}, r, "", object.LastModified(), watched)
	if watched.err != nil {
		o.fail(w, r, watched.err)
	}
}

// headFixer corrects two habits of http.ServeContent: it leaves out the length of a body that has a
// Content-Encoding, and the Last-Modified of a 304.
type headFixer struct {
	*reply
	object *Object
}

func (w headFixer) WriteHeader(status int) {
	switch status {
	case http.StatusOK:
		w.Header().Set("Content-Length", strconv.FormatInt(w.object.Size, 10))
	case http.StatusNotModified:
		w.Header().Set("Last-Modified", w.object.LastModified().Format(http.TimeFormat))
	}
	w.reply.WriteHeader(status)
}

// watchedBody remembers why a read failed, which http.ServeContent does not tell.
type watchedBody struct {
	io.ReadSeeker
	err error
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadSeeker.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// describe is the object as the API shows it.
func describe(o *Object) api.Object {
	doc := api.Object{
		Host:         o.Host,
		Path:         o.Path,
		Version:      o.Version,
		Size:         o.Size,
		LastModified: o.Created.UTC(),
		Fields:       o.Fields,
		Deleted:      o.Deleted,
	}
	if !o.Deleted {
		doc.ETag, doc.SHA256 = o.ETag(), o.Digest.hex()
	}
	if !o.Ended.IsZero() {
		ended := o.Ended.UTC()
		doc.Ended = &ended
	}
	return doc
}
