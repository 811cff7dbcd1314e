// Package live knows what flows through the service now and what did in the last 15 minutes: connections, rates, latency,
// for each application and node.
//
//	numbers.go  Numbers: what is told of an application, a node or all; rates from sums
//	process.go  what a node says of its own process, from its metrics
//	share.go    a node's share, as the nodes tell it each other
//	sampler.go  Sampler: every five seconds give the own share, take all, keep their sum
//	history.go  the sums of the last 15 minutes, and who waits for the next
//
// # What it costs
//
// A node has one Sampler, which does the same whether nobody or everybody looks: every five seconds it reads counters that
// are kept anyway, sends its share to Redis in one script and gets everybody's back. Who looks reads memory. A share has the
// thousand busiest applications of its node; applications beyond that have no live numbers. History is kept for two thousand
// applications. Followers, which have no session that is stored, are counted by application and key; a share has those of the
// thousand keys with the most.
//
// # Goroutines and locks
//
// Run is the only goroutine. Sampler.mu guards what it has found out, which readers copy.
package live
