// Package redisserver runs a private redis-server, or valkey-server, as a child process on a Unix socket: for
// streams.StartEmbedded, and for tests that want a real one. The child dies with this process, on Linux whatever ends it.
package redisserver
