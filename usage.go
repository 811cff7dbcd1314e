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
