package streams

import "github.com/pandapush/pandapush"

// What tests of package streams_test reach into.
var (
	StartEmbeddedWith = startEmbedded
	SweepOnce         = (*Streams).sweepOnce
)

// LogKey returns the name of an application's stream, with the default prefix.
func LogKey(app pandapush.AppID) string { return keys("pp").log(app) }
