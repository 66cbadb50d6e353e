package testkit

import "testing"

// Execute runs a statement on the PostgreSQL database with that URL: for what the code under test has no
// method to do, such as to set a database back.
func Execute(t testing.TB, url, statement string) {
	t.Helper()
	execute(t, url, statement)
}
