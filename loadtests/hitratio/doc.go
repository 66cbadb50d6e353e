// Package hitratio replays request traces through edge/l1 as it ships, and beside it through LRU, a plain bigcache,
// W-TinyLFU and, where all objects have one size, Belady's optimum: how many requests each answers with the same memory.
//
// A trace is often smaller than the smallest budget of L1. It is then replayed as several copies at once, request by
// request, each with keys of its own, with a budget so many times as large: what is asked for again comes back after the
// same share of the budget, for every policy.
//
// It refuses to measure speed. Start reading at [Run]; what is compared is in policies.go and stored.go.
package hitratio
