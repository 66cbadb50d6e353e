// Package archtest holds the project to its own rules: who may import whom, which vendor belongs to
// which package, what a pure package may touch, the habits that keep files readable, and that the tests and words
// which docs/HTTP.md promises are there.
//
// It owns the rules and the check of them, as a test over the whole module. It refuses to judge taste:
// a rule is here only if a program can decide it and its breach has a reason that can be given.
//
// Start reading at Check; the rules for imports and for what may be exported are tables in rules.go, the
// habits are in habits.go and state.go, docs/HTTP.md is read in promises.go.
package archtest
