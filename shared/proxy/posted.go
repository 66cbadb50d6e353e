package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"tiercache/shared/cachekey"
	"tiercache/shared/httpcache"
	"tiercache/shared/invalidation"
	"tiercache/shared/object"
)

// storePosted stores what a POST has yielded, when that is by its own words what a GET would: a 200 whose
// Content-Location is the request's own URI, and that says how long it is fresh (RFC 9110, 9.3.3). It must be as
// storable as a response to GET, vary by nothing and fit one segment, since it is read whole before it goes out.
func (p *Proxy) storePosted(r *request, res *result) {
	solo := res.solo
	response := solo.response
	if r.method != http.MethodPost || response.Status != http.StatusOK || res.stale || response.Length < 0 || response.Length > object.SegmentSize {
		return
	}
	uri, ok := r.uri()
	if !ok || !httpcache.NamesTarget(uri, response.Header) || !solo.meta.ExplicitlyFresh() {
		return
	}
	parsed := httpcache.ParseRequest(http.MethodGet, r.header)
	scopes, why := p.scopesOf(r.service, r.host, r.target, response.Header)
	if httpcache.Storable(&parsed, &solo.meta, response.Header, &r.rules) != httpcache.ReasonNone || why != httpcache.ReasonNone || response.Header.Has("Vary") {
		return
	}
	digest := newDigester(response.Header, response.Status)
	body := make([]byte, response.Length)
	_, err := io.ReadFull(response.Body, body)
	if err == nil {
		var extra [1]byte
		if n, end := response.Body.Read(extra[:]); n > 0 || !errors.Is(end, io.EOF) {
			err = errors.Join(errLength, end)
		}
	}
	digest.write(body)
	if err == nil && !digest.matches() {
		err = errDigest
	}
	// What was read goes out whatever came of it; a body that broke off breaks off for the client too.
	response.Body = &replayed{Reader: io.MultiReader(bytes.NewReader(body), &broken{err}), Closer: response.Body}
	if err == nil && p.control.Check(res.head.Stamp, scopes) == invalidation.Live {
		p.storeWhole(r, res, scopes, body)
	}
}

// storeWhole stores a body under the request's primary key.
func (p *Proxy) storeWhole(r *request, res *result, scopes []object.Scope, body []byte) {
	id, err := object.NewBodyID(p.random)
	if err != nil {
		return
	}
	primary := r.key[:r.primary]
	digest := cachekey.Digest(primary)
	head := object.Head{
		Kind: object.KindResponse, Key: string(primary), Stamp: res.head.Stamp, Scopes: scopes, Meta: res.solo.meta,
		Fields: object.MakeBlock(res.solo.fields),
	}
	head.BodyID = id
	ttl := head.Meta.Lifetime(&r.rules) + p.cfg.KeepStale
	writer := object.NewWriter(r.ctx, p.store, object.WriterConfig{Key: string(digest[:]), ID: id, TTL: ttl, Length: int64(len(body))})
	if _, err = writer.Write(body); err == nil {
		err = writer.Commit(&head)
	}
	if err = errors.Join(err, writer.Abort()); err != nil {
		p.stats.StoreErrors.Add(1)
	}
}

// replayed is a body that was read, in the place of the one that it came in.
type replayed struct {
	io.Reader
	io.Closer
}

// broken ends a body as it ended when it was read.
type broken struct{ err error }

func (b *broken) Read([]byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return 0, io.EOF
}
