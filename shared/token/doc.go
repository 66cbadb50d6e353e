// Package token makes and checks the bearer tokens that people and programs show to tiercache's APIs.
//
// It owns the token's form, its hash, the roles and the constant-time check. It refuses to keep a
// token: a Set holds SHA-256 hashes only, so neither a memory dump of a Set nor a file of hashes lets
// anybody in. A token is 256 random bits, which is why one plain hash is enough and no slow password
// hash is used.
//
// Start reading at Set.Check.
package token
