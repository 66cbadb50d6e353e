// Package encoding compresses bodies on their way through a tier: gzip, brotli and zstd (RFC 1952, 7932 and 8878,
// with the window that RFC 9659 allows).
//
// It owns the encoders and bounds how many work at a time. It refuses to know requests, fields and caching: what a
// client accepts and what a transformed response has to say is decided in shared/httpcache, and what is
// compressed at all by a service document.
package encoding
