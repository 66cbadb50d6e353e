// Package scenarios puts a platform under load with k6, scenario by scenario: the steady mix of a site, a spike, a storm of
// purges, a soak. Each has thresholds for times and errors, and for what purges and writes promise: a read that shows what was
// replaced before it began is a failure. The results are a page, with k6's own report of each scenario beside it.
//
// The scenarios are scripts in js/, which k6 runs by itself as well. Start reading at Run.
package scenarios
