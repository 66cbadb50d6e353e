// Package hitratio replays request traces through edge/l1 as it ships, and beside it through LRU, a plain bigcache,
// W-TinyLFU and, where all objects have one size, Belady's optimum: how many requests each answers with the same memory.
//
// A trace is often smaller than the smallest budget of L1. L1 and bigcache then get several copies of it at once, request
// by request, each with keys of its own, and a budget so many times as large: what is asked for again comes back after the
// same share of the budget. The others get the trace as it is.
//
// It refuses to measure speed. Start reading at [Run]; what is compared is in policies.go and stored.go.
package hitratio
