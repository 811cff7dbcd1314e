//go:build !linux

package edge

import "context"

// poller is for Linux alone: elsewhere every connection has a goroutine that reads.
type poller struct{}

func newPoller() (*poller, error) { return nil, nil }

func (*poller) add(*netConn) bool { return false }

func (*poller) remove(*netConn) {}

func (*poller) run(context.Context) error { return nil }
