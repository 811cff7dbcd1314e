// Package streamstest is for tests that need streams: private Redis servers that they may kill, and Exercise, the
// conformance suite that every topology has to pass.
//
//	server.go    Redis, Start: a redis-server on a Unix socket that ends with the test
//	cluster.go   Cluster: three masters
//	open.go      Open: running streams whose deliveries a test can wait for
//	exercise.go  Exercise: the suite
//	exercise_sessions.go, exercise_subscriptions.go, exercise_history.go, exercise_presence.go   more of its stories
package streamstest
