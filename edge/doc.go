// Package edge serves browsers' connections: from a socket to a session and back. It speaks Bayeux over WebSocket, HTTP
// long-polling, callback-polling and EventSource at one mount point, serves the event streams of the HTTP API, and delivers
// what comes from the streams.
//
// It keeps nothing that may not be lost with the process, and knows neither Redis nor SQL: what it needs of them are the
// interfaces Stream, Records, Presence, Occupancy and Keys. A session is a record that any node can claim; in memory are only
// those that are attached, by a socket, an event stream or a held poll.
//
// # The way of a message
//
//	poller_linux.go there is input for a connection
//	intake.go      it is read, by a goroutine that lives as long as there is more
//	websocket.go   and is a frame: edge/frame puts it together
//	http.go        or a request does: a body, or for callback-polling (jsonp.go) a query; cors.go lets pages read the answer
//	longpoll.go    with a connect that may be held
//	eventsource.go or a GET whose answer goes on: Faye's EventSource, whose connects are posted meanwhile
//	follow.go      or one of the HTTP API: a follower, a session without a record
//	exchange.go    its messages, one after the other, each with its reply
//	attach.go      a connect claims its session and becomes its path
//	subscribe.go   credential → grant → record → reply; and publish: credential → stream → reply
//	since.go       where a subscription begins
//	presence.go    rooms: a subscription is a seat in one, which is taken before the reply; presence_seats.go keeps it
//	meta.go        what the server announces about an application: its numbers, and which channels are in use
//	hub.go         an entry comes back from the stream: encode once, keep, match, queue
//	window.go      the newest entries, in memory; deepen.go makes it reach further back
//	session.go     what a client subscribes to, how far it has got, and what is queued for it
//	catchup.go     a session that is behind reads for itself
//	tasks.go       short work in goroutines that Run waits for
//	flusher.go     workers that write to the outlets that have something queued
//	outlet.go      what a session's messages leave by: websocket.go's sockets, stream.go's event streams
//	netconn.go     a write that never blocks
//	detach.go      a session that loses its path goes back into its record
//
// Besides, nodes.go knows which nodes are dead, sessions.go is the registry, its sweep and the positions that are written
// down; usage.go counts by application, revoke.go ends the subscriptions of keys that are gone and of tokens that have
// expired, drain.go sends clients away, limits.go and what it uses (visitor.go, addresses.go, rates.go) bounds what a client
// may do, server.go and config.go hold the wiring and the configuration, metrics.go the series and the reasons why things
// end. The grammar of the wire is in edge/bayeux, WebSocket's frames are in edge/frame and the matching in edge/trie, all
// pure.
//
// # Goroutines
//
// A socket has none while it is idle. When there is input the poller gives it one, which handles one frame after the other
// and turns to another socket when there is no more; a socket that can't be watched (under TLS, or where there is no epoll)
// has one that waits. The same holds for event streams. A held poll has the goroutine of its HTTP request. A connection that
// does not accept what is written to it gets another one until it does. All other writing is done by the flusher, which has
// as many goroutines as there are cores. Run waits for all of them.
//
// # Locks
//
// session.saving, then hub.mu, then tenant.mu, then session.mu; netConn.mu and flusher.mu are taken last, under any of them.
// Only session.saving is held while waiting for something.
//
// # What is promised
//
// ARCHITECTURE.md has the promises and the tests that hold them. In short: no message after a subscription's reply is
// missed, and those of an application arrive in stream order (P1); queues are bounded, and a slow client is brought up to date
// from the stream (P2); a client gets again what it may not have got when its path broke (P3, P4); a publish is acknowledged
// when it is in the stream (P5).
//
// # Deliberate oddities
//
// Messages that wait for a socket together leave in one frame, where Faye sends one frame each; every client takes an
// array. A bad HTTP body is answered with Faye's bare "Bad request", while a bad frame gets an error reply, where Faye
// says nothing. Refusals have the headers that let a page of another origin read them; Faye's have not. A preflight is never
// answered with the Referer, and allows every header that it asks for. A connect that is held by HTTP is answered with the
// first message that comes, and not with what was published in one batch with it. What was published for a subscription
// while its session was away is not delivered if it has been given up since: nothing is queued for a session, it reads the
// stream with the subscriptions that it has. "/service/…" belongs to no application and is refused.
//
// testdata/bayeux has the cases of the protocol as dialogues, which say so where they differ from Faye.
//
// Messages to WebSockets are compressed if the operator wants it. Replies never are: they are short, and over HTTP they come
// with what strangers publish, beside what is secret, whose length compression would give away. A proxy in front may do so
// all the same.
package edge
