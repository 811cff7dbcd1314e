package pandapush

// Usage is what one node does for one application: gauges of the moment, and counters since the node started, or since it last
// had nothing to do with the application.
type Usage struct {
	Sessions      int64 // that subscribe
	Subscriptions int64

	Published uint64 // messages that this node had stored
	BytesIn   uint64 // of their data
	Delivered uint64 // messages handed to sessions of this node, once for each
	BytesOut  uint64 // of those, as they go over the wire
}

// Follower names followers, the event streams of HTTP: they have no session that is stored, and are only counted. They are told
// apart by their application and by the key that let them in, "" for none.
type Follower struct {
	App AppID `json:"app"`
	Key KeyID `json:"key"`
}

// FollowerCount is how many there are.
type FollowerCount struct {
	Connections   int64 `json:"connections"`
	Subscriptions int64 `json:"subscriptions"`
}
