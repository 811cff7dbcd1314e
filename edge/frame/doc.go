// Package frame reads and writes WebSocket frames as a server does (RFC 6455). It is pure: bytes in, messages out, and the
// other way round, without connections, goroutines or clocks.
//
//	reader.go   Reader: bytes as they come → whole messages, joined of their fragments
//	header.go   the first bytes of a frame, and what is wrong with them
//	append.go   messages → frames
//	deflate.go  the same, compressed
//	error.go    why a connection has to end, with the code to say so
//
// A Reader is told of bytes where others would be given a connection to read from, so that a socket that waits for its
// client needs neither a goroutine nor a buffer. What it keeps is bounded by what has come and by its limit.
//
// It leaves two things to its caller, as they come after decompression: that the payload of a text message is UTF-8, and
// how large a compressed one becomes.
package frame
