// Package holdings is what a node tells of what it holds, when control asks: which entries there are in its store and
// what the node would do with each now, and how many of them a purge would concern.
//
// It owns the questions and answers, and the walks through the store that stand behind them. An entry is read out of
// the store after its question has come, and judged by the node's own view of the control log after that: so whoever
// knows what was purged before it asked can tell whether the node would serve something that it must not.
//
// It refuses to be in the way of requests: a walk counts as no lookup, few run at a time, each goes only as fast as its
// pages are asked for, and a count ends in time. It decides nothing about what it finds.
//
// Start reading at Holdings.Answer.
package holdings
