// Package client is the Go client of the origin's API, which the command line uses.
//
// It owns requests, error texts that say what to do, and paging. It refuses to follow redirects, which
// would carry the token elsewhere, and to repeat a request by itself.
//
// Start reading at Client.
package client
