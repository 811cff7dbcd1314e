// Package edge takes browsers' connections: from a socket to a session and back. It speaks Bayeux over WebSocket and HTTP
// long-polling at one mount point, and hands out what the streams bring.
//
// It keeps nothing that can't be lost with the process, and knows neither Redis nor SQL: what it needs of them are the
// interfaces Stream and Keys.
//
// # The way of a message
//
//	websocket.go   a frame arrives: gws' callbacks, on the socket's read loop
//	longpoll.go    or a POST does: a body, then maybe a held connect
//	exchange.go    its messages, one after the other, each with its reply
//	subscribe.go   credential → grant → hub → reply
//	publish.go     credential → stream → reply, once it is stored
//	hub.go         an entry comes back from the stream: match, encode once, queue
//	session.go     the queue, and the path by which it leaves
//	flusher.go     workers that write to the sockets that have something pending
//	netconn.go     a write that never blocks
//
// Besides, sessions.go is the registry and its sweep, revoke.go ends the subscriptions of keys that are gone, drain.go
// sends clients away, server.go holds the configuration and the wiring, metrics.go the series and the reasons why things
// end. The grammar of the wire is in edge/bayeux and the matching in edge/trie, both pure.
//
// # Goroutines
//
// A socket has one, its read loop, which handles a frame to the end before it reads the next. A held poll has that of its
// HTTP request. A socket that does not take what is written to it gets one more until it does. Writing to all others is the
// flusher's, which has as many as there are cores. Run waits for all of them.
//
// # Locks
//
// hub.mu, then tenant.mu, then session.mu; netConn.mu and flusher.mu are taken last and under any of them. None is held
// while something is awaited.
//
// # What is promised
//
// A subscription is acknowledged when it is in the hub and the stream's reader has its application, so no message after
// the reply is missed and messages of an application arrive in stream order (P1). What waits for a session is bounded, and
// so is what waits in a socket: a client that falls too far behind is disconnected, never left with a hole (P2). A publish
// is acknowledged when the stream has it (P5). A poll's messages are kept until the client shows, with its next connect,
// that it got them.
//
// # Deliberate oddities
//
// Messages that wait for a socket together leave in one frame, where Faye sends one frame each; every client takes an
// array. A bad HTTP body is answered with Faye's bare "Bad request", while a bad frame gets an error reply, where Faye
// says nothing.
package edge
