// Package testkit gives tests real servers and honest waiting: PostgreSQL and Redis processes on free
// ports, and Eventually in place of sleeps.
//
// It owns servers that live as long as the test, or the test binary, that asked for them: also when that
// is killed. It refuses to skip: a machine without the programs fails the test and says what to run.
//
// Start reading at Postgres and Redis; Proc is what both return for tests that break things.
package testkit
