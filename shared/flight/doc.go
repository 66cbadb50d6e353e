// Package flight collapses requests for one key into one fill, and streams the fill's body to all that
// wait for it.
//
// A Group hands out one Flight a key: the first to join leads and runs the fill, the others wait for
// what it publishes. A Body carries the bytes: the fill appends chunks, any number of Readers follow
// at their own pace. Notes are what the fill says before there is a result. None of them knows HTTP or
// stores: what is published is a type parameter, and a reader that has fallen behind the window in
// memory gets older bytes from a function that it was given. Start reading at Group.Join.
package flight
