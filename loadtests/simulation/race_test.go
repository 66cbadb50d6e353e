//go:build race

package simulation

// raced: the race detector makes the scheduler draw lots.
const raced = true
