// Package local runs the whole platform on one machine, for `tiercache up`: a private PostgreSQL and
// Redis, NATS, and every node as a child process of the same binary.
//
// It owns: which parts there are and where they listen (Plan), the files below the data folder (node
// configurations, tokens, credentials, logs), their start, the table that is shown, and their end. It
// refuses to do what a node does: it reads no object, speaks no NATS, and changes no node while it runs.
//
// Start reading at Platform.Run.
package local
