package streams

import (
	"context"

	"github.com/pandapush/pandapush"
)

// What tests of package streams_test reach into.
var (
	StartEmbeddedWith = startEmbedded
	DecodeEntry       = decodeEntry
	SweepOnce         = (*Streams).sweepOnce
)

// LogKey returns the name of an application's stream, with the default prefix.
func LogKey(app pandapush.AppID) string { return keys("pp").log(app) }

// ExpireLeases gives up the seats of one Redis whose time has run out, whoever else is about to.
func ExpireLeases(ctx context.Context, s *Streams) error { return s.expireLeases(ctx, s.backends[0]) }
