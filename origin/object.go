package origin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// ChunkSize is how many bytes of a body are stored, read and checked at a time.
const ChunkSize = 256 << 10

// Digest is the SHA-256 of a body, by which bodies are stored once.
type Digest [sha256.Size]byte

// Field is the digest as a Repr-Digest or Content-Digest field has it (RFC 9530).
func (d Digest) Field() string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(d[:]) + ":"
}

// Object is one version of what an Address holds.
type Object struct {
	Address
	Version int64     // unique in the database, growing with each write of the address
	BodyID  string    // the store's name of the body
	Digest  Digest    // of the body
	Size    int64     // of the body, in bytes
	Fields  Fields    // stored with the object and sent with it
	Created time.Time // when this version was written
	Ended   time.Time // when a later write or a delete replaced it; zero for the current version
	Deleted bool      // the version records a delete: it has no body

	// Epoch is the entry of the control log as of which the object is known to be so, or the entry of
	// the write that made it; 0: not known.
	Epoch uint64
}

// LastModified is Created in the resolution that HTTP dates have.
func (o *Object) LastModified() time.Time { return o.Created.UTC().Truncate(time.Second) }

// ETag is a strong entity tag (RFC 9110, 8.8.3) of body and representation metadata: it changes with
// the bytes and with Content-Type, Content-Encoding, Content-Language and Content-Disposition. It does
// not change with Cache-Control, Surrogate-Key and the like, which a 304 response brings up to date
// (RFC 9111, 4.3.4), and it is the same wherever the same representation is stored.
func (o *Object) ETag() string {
	h := sha256.New()
	h.Write([]byte("tiercache etag 1\n"))
	h.Write(o.Digest[:])
	for _, name := range representationFields() {
		value := o.Fields[name]
		var length [4]byte // delimits the values, so that none can run into the next
		binary.BigEndian.PutUint32(length[:], uint32(len(value)))
		h.Write(length[:])
		h.Write([]byte(value))
	}
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18]) + `"`
}

// Same reports whether a write of this body and these fields would change nothing that a reader sees.
func (o *Object) Same(digest Digest, fields Fields) bool {
	return !o.Deleted && o.Digest == digest && o.Fields.equal(fields)
}

// hex is the digest in hexadecimal, as sha256sum prints it.
func (d Digest) hex() string { return hex.EncodeToString(d[:]) }
