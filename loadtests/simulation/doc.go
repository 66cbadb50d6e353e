// Package simulation runs a whole fleet in virtual time and looks for a schedule that breaks a promise.
//
// What runs is what ships: the sequencer, the members and the answers to nodes of two control nodes; followers, indexes,
// flights, caching proxies and the choice of peers of four edges and three regional nodes in two regions. Doubles
// stand for what is between and below them: the message bus, HTTP between nodes, PostgreSQL, the stores, the disks and
// the clocks. Each double passes the contract that the real one passes (contract_test.go).
//
// A run is a function of its seed. Clients read, write and purge; transactions are rolled back; fills are held for up to
// five seconds; messages are lost, repeated and overtaken; links are cut in one direction or both; nodes crash, pause
// and come back, with and without what they had; the database is restarted and set back. A checker that sees everything
// judges the history (checker.go).
//
// It refuses to measure anything: time is not real. A promise that it does not check is none that it proves.
//
// Start reading at run in run.go, then world.go.
package simulation
