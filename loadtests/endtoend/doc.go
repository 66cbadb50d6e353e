// Package endtoend runs the built program as its users do, and breaks what they could break: a whole
// platform by `tiercache up` on real PostgreSQL, Redis and NATS, trees of files that go in by one command
// and come out of the edges, sites behind it, parts that are killed under load, a disk that is full,
// requests that are malformed.
//
// It owns only tests. They know the program by its command line, its files, its sockets and its
// processes, never by its packages' insides, and print what the platform logged only when they fail.
//
// Start reading at TestObjects; the file platform_test.go holds what all tests start from.
package endtoend
