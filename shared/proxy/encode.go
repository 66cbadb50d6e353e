package proxy

import (
	"context"
	"errors"
	"io"
	"time"

	"tiercache/shared/encoding"
	"tiercache/shared/httpcache"
)

const (
	// maxEncoders bounds the bodies that are encoded at a time, each with up to about 4 MiB of memory.
	maxEncoders = 16
	// encoderWait is how long a fill waits for its turn; then its response is stored as it is.
	encoderWait = 100 * time.Millisecond
	// minEncoded is the shortest body that is worth it, in bytes.
	minEncoded = 256
)

// encode puts the coding on a response that is to be stored which suits the request best, where the service asks for
// that and nobody else has. What could have been encoded varies by Accept-Encoding whether it was or not, since
// another request would get it otherwise.
//
// INVARIANT: what is checked is the body as it came: an encoder that is given a wrong or a short one never writes
// the end.
func (j *fill) encode(ctx context.Context, response *Response, meta *httpcache.Meta) *Response {
	if len(j.codings) == 0 || !httpcache.MayEncode(meta, response.Header) {
		return response
	}
	if !encoding.Compressible(response.Header.Value("Content-Type")) || response.Length >= 0 && response.Length < minEncoded {
		return response
	}
	encoded := *response
	encoded.Header = httpcache.VaryByEncoding(response.Header)
	choice := httpcache.Preferred(j.header, j.codings)
	if choice < 0 {
		return &encoded
	}
	coding, _ := encoding.Parse(j.codings[choice]) // the document was checked
	ctx, cancel := context.WithTimeout(ctx, encoderWait)
	defer cancel()
	checked := &checkedBody{ReadCloser: response.Body, length: response.Length, digest: newDigester(response.Header, response.Status), stats: &j.p.stats}
	body, err := j.p.compressor.Reader(ctx, coding, checked)
	if err != nil {
		j.p.stats.EncodersBusy.Add(1)
		return &encoded
	}
	j.p.stats.Encoded.Add(1)
	encoded.Header = httpcache.EncodedFields(response.Header, coding.String())
	encoded.Body, encoded.Length = body, -1
	meta.Flags |= httpcache.FlagEncoded
	return &encoded
}

// checkedBody ends a body that is not what its head promised with an error.
type checkedBody struct {
	io.ReadCloser
	length int64 // -1 unknown
	total  int64
	digest *digester
	stats  *Stats
}

func (b *checkedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.total += int64(n)
	b.digest.write(p[:n])
	switch {
	case b.length >= 0 && b.total > b.length:
		return n, errLength
	case !errors.Is(err, io.EOF):
		return n, err
	case b.length >= 0 && b.total != b.length:
		return n, errLength
	case !b.digest.matches():
		b.stats.DigestMismatches.Add(1)
		return n, errDigest
	}
	return n, io.EOF
}
