// Package client is the Go client of the control API, and its wire types.
//
// It is what the command line and other programs import; control uses the same types, so the two
// cannot drift apart. It refuses to retry or to cache: the caller knows what may be done twice.
//
// Start reading at New.
package client
