// Package semantics runs a public test suite for HTTP caches, npm's http-cache-tests at the version in package.json,
// against the built program: through an edge alone, and through an edge and a regional node with Redis.
//
// The suite's own code sends the requests, serves the responses and judges the results, so that the numbers can be
// compared with those that other caches are given. This package fetches it, starts what it runs against, and
// compares each test's verdict with the one in testdata/baseline-*.json: a test that passed there and does not any more is a
// failure. docs/HTTP.md says why the tests that have never passed do not.
//
// It refuses to judge by itself. Start reading at Measure.
package semantics
