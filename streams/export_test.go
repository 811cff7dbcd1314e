package streams

// What tests of package streams_test reach into.
var (
	StartEmbeddedWith = startEmbedded
	SweepOnce         = (*Streams).sweepOnce
)

// Bucket returns the bucket of an application.
var Bucket = bucketOf
