// Benchmark measures Pandapush on the machine at hand, by itself and side by side with others: it starts everything that
// it needs by itself, on loopback, and stops it. scripts/bench builds and runs it; docs/performance.md says what came out.
//
// # Files
//
//	main.go       the list of parts
//	options.go    the command line
//	report.go     what was measured, as Markdown and as JSON
//	machine.go    on what
//	compare.go    how all servers go through the same: in turns, in rounds, with medians
//	comparison.go the table of that, with ratios and aims
//	fanout.go     fanout/rates and fanout/limit: one channel, many sockets
//	channels.go   channels: as many messages as it takes, each to another socket
//	idle.go       idle/sockets and idle/most: memory
//	nodes.go      nodes and kill: two nodes
//	growth.go     growth/applications, growth/subscriptions and growth/nodes
//	failover.go   resume/kill: a node is killed under thousands of sockets
//	memory.go     resume/idle and resume/behind: what a session costs in memory
//	follow.go     follow/idle: what a reader of server-sent events does
//	crowd.go      many sessions at a time
//	rig/          the servers, and what the system says of them
//	load/         the clients
//	peers/        the programs of the servers that Pandapush is compared with
//
// A part is a function that gets a run and adds tables to its report. It measures by what the system accounts for each
// server process, not by what the servers say of themselves, but where it says so.
//
// It is a module of its own, so that what it is built with never is a dependency of the product.
package main
