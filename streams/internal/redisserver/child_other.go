//go:build unix && !linux

package redisserver

import "syscall"

// childAttributes keep a terminal's Ctrl-C from the child: it is stopped in order.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
