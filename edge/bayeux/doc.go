// Package bayeux is the wire grammar of Bayeux 1.0 as Faye clients speak it and CometD clients understand it: frames to
// messages, the checks of each verb, and replies and deliveries back to bytes. It is pure: no sockets, no clocks, no
// state. What a session is, who may do what and how long a connect is held is decided by package edge, which asks here
// what the protocol says to it.
//
// A frame goes through the files in this order:
//
//	scan.go         strict JSON, in place
//	value.go        Value: one JSON value of the frame, read when somebody asks
//	message.go      Decode, Message, Verb: a frame is one message or an array of them
//	grammar.go      channel names, patterns, and which are meta or service
//	handshake.go connect.go disconnect.go subscribe.go unsubscribe.go publish.go
//	                the checks of each verb, in the order that decides which error a client sees
//	auth.go         the credential in "ext"
//	timesync.go     CometD's time synchronisation
//	reply.go        Reply, Advice and deliveries, appended to a buffer
//	errors.go       errors to the texts "code:args:text"
//	clientid.go     the names of sessions
//
// # Ownership
//
// A Value is a piece of the frame that it was decoded from: it is good for as long as the frame's buffer is. Value.Text and
// the strings in errors are copies. Message.Clone copies a whole message, for a connect that is held; whoever keeps
// Message.Data copies that.
//
// # What is spoken
//
// All of Bayeux 1.0: handshake, connect, disconnect, subscribe (one channel or an array of them), unsubscribe, publish,
// batches and advice; and CometD's extensions for acknowledgement and time synchronisation. Replies keep what Faye's clients
// depend on: "id" comes back as the same JSON, the list of connection types is always the full one, and advice stands only in
// replies to handshake and connect.
//
// Of CometD's server there is no cookie that tells a browser's clients apart, and so no advice of "multiple-clients": each
// client is a session of its own, and over WebSocket any number of them may be in one browser.
//
// # What differs from Faye, and why
//
//   - Invalid UTF-8 is an error and not replaced: what could not be delivered as it was sent is refused.
//   - Frames are bounded in the number of messages and in depth. Names of fields match to the letter.
//   - A subscribe of several channels is atomic: one bad name, and none is subscribed.
//   - A wrong name in a subscribe outweighs a missing right; Faye looks at names only when all else is well.
//   - A failed handshake gives an interval in its advice; without one Faye's client tries again a hundred times a second.
//   - A hold time is a number between none and the server's own; Faye takes any.
//   - An "error" that a client sends is echoed only if it is a string, and cut.
//   - A delivered message has "channel", "data" and "id" and nothing else that its publisher sent: one publish with
//     "advice" would silence every subscriber. The id is the server's, with a "-" in it, and so never taken for the answer
//     to a message of the receiver's own.
package bayeux
