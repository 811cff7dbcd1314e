// Package loadtest puts load on a running deployment, as its users do, and checks what arrives: it is `pandapush loadtest`.
//
//	loadtest.go      Config, and Run: connect, publish, wait for what is missing
//	subscriber.go    one subscriber: a connection after the other, resumed from its cursor
//	websocket.go     its connection as a Bayeux client on a WebSocket
//	eventstream.go   its connection as a reader of server-sent events
//	publisher.go     one publisher, by HTTP, on a schedule
//	track.go         which numbered messages have come: lost, repeated, out of order
//	latency.go       histograms
//	result.go        what came out, as text and as JSON
//	progress.go      what is told meanwhile
//	process_unix.go  open files and processor time of this process
//
// Messages are numbered for each publisher and channel, so order is checked where there is one: among what one publisher
// sends on a channel, one message after the other. A message's latency counts from the moment at which it was due, not from
// when it was sent, so that a server that holds up its publishers does not look faster than it is. Due times are of this
// process' own clock and travel in the message; clocks of other machines play no part.
//
// Each subscriber has a goroutine, which reads its connection; each publisher has one, which waits for the answer to a
// request before it sends the next. Run waits for all of them. The only locks are leaves: that of a subscriber's tracks,
// that of a histogram, that of the counts of failures.
//
// A subscriber whose connection breaks comes back and gives its cursor, so a test that runs through a deploy should lose
// nothing. A publish that is not answered with 200 is not repeated: it may be stored or not, and counts neither as published nor,
// if it does not come, as lost.
package loadtest
