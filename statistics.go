package pandapush

// Occupied is which channels of an application have subscribers at a moment.
type Occupied struct {
	Channels []string
	Cursor   Cursor // the moment: the notices after it tell what has changed since
}

// Statistics are the numbers of one application, of all nodes together. Rates are per second.
type Statistics struct {
	Sessions      int64   // clients that are connected and subscribe
	Subscriptions int64   // of all of them
	Channels      int64   // that have subscribers
	Members       int64   // of all rooms
	Published     float64 // messages
	Delivered     float64 // messages, once for each session
}
