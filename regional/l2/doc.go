// Package l2 is what all of a region's shared stores have in common: the breaker
// that makes a store which is slow or gone a counted miss, and the errors by which
// stores tell it what happened. The stores themselves are its subpackages, one for
// each vendor.
//
// It refuses to retry: what a store can not answer in time the next tier answers,
// and a second attempt would only add to the load of a store in trouble. It keeps
// no values of its own. Start reading at [NewBreaker].
package l2
