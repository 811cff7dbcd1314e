//go:build !linux

package edge

import (
	"net"
	"time"
)

// giveUpAfter does nothing: other systems have no such setting, and give up in their own time.
func giveUpAfter(net.Conn, time.Duration) {}
