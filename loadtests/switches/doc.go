// Package switches knows the mechanisms without which promises do not hold, each with the place in the code that ships and
// what it becomes when it is switched off. A test that cannot fail shows nothing: loadtests/simulation and
// loadtests/faults run what they check once more without each of them.
//
// It owns the list and the overlays for `go build -overlay` and `go test -overlay`. Nothing of it is in what ships, and
// what it replaces must be there exactly once, so that a change of the code shows here. It runs nothing.
//
// Start reading at Mechanisms, then Overlay.
package switches
