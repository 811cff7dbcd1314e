package edge

import (
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7), which package syscall lacks.
const tcpUserTimeout = 0x12

// giveUpAfter has the kernel end a connection whose other side has not acknowledged what it was sent for so long. Without
// it, a client that has vanished would be held for a quarter of an hour.
func giveUpAfter(conn net.Conn, after time.Duration) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	// Where it can't be set, as on a Unix socket, the client is near and its end is seen at once.
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(after.Milliseconds()))
	})
}
