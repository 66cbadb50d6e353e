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
func (p *Proxy) storePosted(r *request, res *result, own uint64) {
	solo := res.solo
	response := solo.response
	if r.method != http.MethodPost || !r.storesAside() || response.Status != http.StatusOK || res.stale || response.Length < 0 || response.Length > object.SegmentSize {
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
	p.storeRead(r, res, r.key[:r.primary], scopes, own)
}

// storeRead reads a body of known length before it goes out, and stores it under key. own is how far this request
// has moved the counter of its URI itself.
func (p *Proxy) storeRead(r *request, res *result, key []byte, scopes []object.Scope, own uint64) {
	response := res.solo.response
	body, err := readWhole(response)
	// What was read goes out whatever came of it; a body that broke off breaks off for the client too.
	response.Body = &replayed{Reader: io.MultiReader(bytes.NewReader(body), &broken{err}), Closer: response.Body}
	counter := p.forgotten.of(r.host, r.target)
	if err != nil || p.control.Check(res.head.Stamp, scopes) != invalidation.Live || counter.Load() != res.forgotten+own {
		return
	}
	digest := cachekey.Digest(key)
	p.storeWhole(r, res, key, string(digest[:]), scopes, body)
	// INVARIANT: what an unsafe method has made invalid while it was under way is not stored: who removed it may have
	// come before it was there.
	if counter.Load() != res.forgotten+own {
		p.discard(r.ctx, string(digest[:]))
	}
}

// readWhole reads a body of known length, and checks it by its digest if there is one.
func readWhole(response *Response) ([]byte, error) {
	body := make([]byte, response.Length)
	n, err := io.ReadFull(response.Body, body)
	if err != nil {
		return body[:n], err
	}
	var extra [1]byte
	if n, err := response.Body.Read(extra[:]); n > 0 || !errors.Is(err, io.EOF) {
		return body, errors.Join(errLength, err)
	}
	digest := newDigester(response.Header, response.Status)
	if digest.write(body); !digest.matches() {
		return body, errDigest
	}
	return body, nil
}

// storeWhole stores a body.
func (p *Proxy) storeWhole(r *request, res *result, key []byte, storeKey string, scopes []object.Scope, body []byte) {
	id, err := object.NewBodyID(p.random)
	if err != nil {
		return
	}
	head := object.Head{
		Kind: object.KindResponse, Key: string(key), Stamp: res.head.Stamp, Scopes: scopes, Meta: res.solo.meta,
		Fields: object.MakeBlock(res.solo.fields),
	}
	head.BodyID = id
	ttl := head.Meta.Lifetime(&r.rules) + p.cfg.KeepStale
	writer := object.NewWriter(r.ctx, p.store, object.WriterConfig{Key: storeKey, ID: id, TTL: ttl, Length: int64(len(body))})
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
