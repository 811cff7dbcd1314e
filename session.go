package pandapush

import "time"

// Session is one Bayeux client as it is stored, so that any of its requests may reach any node. It is stored under its client
// id.
//
// A session is attached while a node holds a path to its client, a socket or a poll; that node is the owner. Fence is a
// fencing token: it grows with every claim, and only the holder of the newest may write what an owner writes.
type Session struct {
	Owner    string // node that claimed it last; "" before the first claim
	Fence    int64
	Attached bool // the owner has a path
	Behind   bool // the owner's flushed position does not hold for this session, only Cursors do
	Created  time.Time

	// Former is the last owner whose flushed position held for this session, until FormerAt by Redis' clock, as long as nobody
	// who has claimed it since has saved it. "" once the owner has saved.
	Former   string
	FormerAt time.Time

	// What an operator may want to know about the client; nothing depends on it.
	Transport string // what it was attached by last: one of the constants below; "" before the first claim
	UserAgent string // what it said with its handshake, at most MaxUserAgent bytes; "" if it did not

	// Ack says that the client acknowledges what it gets (CometD's extension): messages reach it only as answers to its
	// connects, each a batch with a number.
	Ack bool
	// Expiry says that the client wants a subscription to end when its grant expires, because it renews its tokens.
	Expiry bool

	Subscriptions map[string]Subscription // by the pattern's text
	Cursors       map[AppID]Cursor        // how far the client has got in each application's stream

	// Answer is the last connect that was answered with messages which the client may not have got.
	Answer Answer
}

// The transports by which a session reaches its client.
const (
	TransportWebSocket       = "websocket"
	TransportLongPolling     = "long-polling"
	TransportCallbackPolling = "callback-polling"
	TransportEventSource     = "eventsource"
)

// MaxUserAgent is how many bytes of a client's User-Agent are kept.
const MaxUserAgent = 200

// Subscription is one pattern of a session, with what allowed it.
type Subscription struct {
	Grant Grant
	// From, if it is not zero, is how far this subscription has got. If that is before the session's cursor for the
	// application, the subscription is catching up with the others; if it is after it, the subscription begins there.
	From Cursor
	// Since says, where subscriptions are changed, that the client asked for what is after From. Without it a subscription
	// that the session has already gets the new grant and stays where it is. It is not stored.
	Since bool `json:",omitzero"`
	// Began is where the subscription began: it is for what came after that. Subscribing again does not change it, unless to
	// something earlier. Zero if it is not known; nothing but what operators are told depends on it.
	Began Cursor `json:",omitzero"`
	// Snapshot, if it is not zero, is the moment for which the client was told who is in the room that the pattern names:
	// notices up to there are not delivered.
	Snapshot Cursor
}

// Answer is what a poll was answered with: the messages between From and the session's cursors.
type Answer struct {
	ID    string           // the raw JSON id of the connect; "" if there is none
	Batch int64            // the number of the batch, for clients that acknowledge
	From  map[AppID]Cursor // the session's cursors before it
	// Lagging is how far the subscriptions had got that were behind those cursors, by the pattern's text.
	Lagging map[string]Cursor `json:",omitempty"`
	// PolledFrom and PolledTo are between which cursors a client has got its messages by polls since its event stream broke, not
	// counting this answer. A browser that opens that again knows nothing of them.
	PolledFrom, PolledTo map[AppID]Cursor `json:",omitempty"`
	// StreamLost is when the client's event stream ended; zero if it has none, has another, or has polled since.
	StreamLost time.Time
}

// Mail is what one node tells another about a session.
type Mail struct {
	Kind    string // not empty
	From    string // node; whoever sends it fills it in
	Session string
	Fence   int64
	Body    []byte
}

// MailEnded is the kind of mail that tells the owner of a session that it has been ended elsewhere.
const MailEnded = "ended"

// Span is what an application's stream holds at a moment.
type Span struct {
	Epoch Epoch
	// First is the position right before the oldest entry that is kept, or Last if none is: a reader that has got there has
	// missed nothing.
	First   Position
	Last    Position // of the newest entry ever made, kept or not
	Length  int64    // entries that are kept
	Trimmed bool     // entries have been removed; if Redis can't tell, there ever were some
}

// Why a client's messages have a gap.
const (
	GapTrimmed = "trimmed" // the stream no longer reaches back
	GapEpoch   = "epoch"   // the stream was lost and is another one now
	GapAhead   = "ahead"   // the stream was restored to an earlier state
)

// Gap says why something after c may be missing, or "" if the stream has all of it.
func (s Span) Gap(c Cursor) string {
	switch {
	case c.Epoch != s.Epoch:
		return GapEpoch
	case c.Position.Compare(s.Last) > 0:
		return GapAhead
	case !s.Trimmed, c.Position.Compare(s.First) >= 0:
		return ""
	}
	return GapTrimmed
}
