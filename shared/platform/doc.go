// Package platform runs the programs that tiercache needs on one machine as private child processes:
// PostgreSQL and Redis from the installed binaries, and tiercache's own nodes.
//
// It owns: how a child is started and ended (Process), how a set of them is kept alive and stopped in
// order (Supervisor), the private PostgreSQL (Postgres) and Redis (Redis), the check for busy ports and
// the lock on a data folder. It refuses to talk SQL or Redis beyond asking whether a server is ready, to
// touch a server that it did not start, and to install anything (.ci/deps does that).
//
// No child outlives the process that started it, however that ends: the kernel signals each one when its
// parent's thread dies (Process). Linux only, for that reason.
//
// Start reading at Process, then Supervisor; package local puts the whole platform together.
package platform
