package pandapush

import "time"

// Session is one Bayeux client as it is stored, so that any request for it may reach any node. Its name is its client id.
//
// A session is attached while a node holds a path to its client, a socket or a poll; that node is the owner. Fence grows
// with every change of owner, and only the holder of the newest may write what an owner writes.
type Session struct {
	Owner    string // node that claimed it last; "" before the first claim
	Fence    int64
	Attached bool // the owner has a path
	Created  time.Time

	// Ack says that the client acknowledges what it gets (CometD's extension): messages reach it only as answers to its
	// connects, each a batch with a number.
	Ack bool

	Subscriptions map[string]Subscription // by the pattern's text
	Cursors       map[AppID]Cursor        // how far the client has got in each application's stream

	// Answer is the last connect that was answered with messages which the client may not have got.
	Answer Answer
}

// Subscription is one pattern of a session, with what allowed it.
type Subscription struct {
	Grant Grant
	// From, if it is not zero, is where the subscription itself has got to: before the session's cursor of the application,
	// it is being brought up to the rest; after it, it begins there.
	From Cursor
}

// Answer is what a poll was answered with: the messages between From and the session's cursors.
type Answer struct {
	ID    string           // the raw JSON id of the connect; "" if there is none
	Batch int64            // the number of the batch, for clients that acknowledge
	From  map[AppID]Cursor // the session's cursors before it
}
