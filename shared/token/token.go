package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	// Prefix starts every token, so that secret scanners and readers of a leaked file recognise one.
	Prefix = "tct_"

	// hashPrefix starts the at-rest form of a token; lower-case hex of the SHA-256 follows.
	hashPrefix = "sha256:"

	randomBytes = 32
)

// ErrMalformed says that a string is neither a token nor a token's hash.
var ErrMalformed = errors.New("neither a token (tct_...) nor its hash (sha256:...)")

// Generate returns a new random token: Prefix and 32 random bytes in unpadded base64url.
func Generate() string {
	var b [randomBytes]byte
	rand.Read(b[:]) // crypto/rand never fails: it ends the process instead
	return Prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// Hash returns the form in which a token may be stored: "sha256:" and 64 hex digits.
func Hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hashPrefix + hex.EncodeToString(sum[:])
}

// digest returns the SHA-256 that identifies tokenOrHash. The error never repeats the input, which
// may be a secret.
func digest(tokenOrHash string) ([sha256.Size]byte, error) {
	var sum [sha256.Size]byte
	if digits, ok := strings.CutPrefix(tokenOrHash, hashPrefix); ok {
		if len(digits) != hex.EncodedLen(len(sum)) {
			return sum, fmt.Errorf("%w: a hash has %d hex digits", ErrMalformed, hex.EncodedLen(len(sum)))
		}
		if _, err := hex.Decode(sum[:], []byte(digits)); err != nil {
			return sum, fmt.Errorf("%w: a hash has hex digits only", ErrMalformed)
		}
		return sum, nil
	}
	if err := checkForm(tokenOrHash); err != nil {
		return sum, err
	}
	return sha256.Sum256([]byte(tokenOrHash)), nil
}

// checkForm refuses what Generate could not have made; a short hand-written secret in a token file
// would otherwise be accepted and be guessable.
func checkForm(token string) error {
	body, ok := strings.CutPrefix(token, Prefix)
	if !ok {
		return ErrMalformed
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) != randomBytes {
		return fmt.Errorf("%w: a token has %d random bytes in base64url", ErrMalformed, randomBytes)
	}
	return nil
}
