// Package cost measures what requests cost and says what a month of them would: the processor time of each part of a
// platform per 1,000 requests that end in L1, in L2 and at the origin, per write and per purge; the memory that the parts
// hold; the bytes that the origin need not send. From these figures and a file of prices it works out how much a machine
// carries and what a fleet costs, and writes docs/COST.md whole.
//
// Figures and prices are apart: Run measures, NewPage works out, and a page can be made again from the figures that were
// kept of a measurement (Measured), with other prices. No price in this package is a provider's.
//
// Start reading at Run, then at capacity.go.
package cost
