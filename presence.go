package pandapush

import "encoding/json"

// Member is a user in a room, as the others there see it. A room is a channel of kind Presence.
type Member struct {
	User string          // the id in Data
	Data json.RawMessage // the presence object of the user's token
}

// Seat keeps a user in a room: it is one session's subscription to it. A user has one for each tab, and leaves the room with
// the last.
type Seat struct {
	Room    Channel
	Session string // unique: a client id, or a name made for the purpose
	Member  Member
}

// Room is who is in a room at a moment.
type Room struct {
	Members []Member // in no order: all of them, or a page
	Count   int64    // of all members
	Next    string   // names the next page; "" if there is none
	Cursor  Cursor   // that moment: the notices after it tell what has changed since
}
