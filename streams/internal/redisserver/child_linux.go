package redisserver

import "syscall"

// childAttributes make the child die with this process, and keep a terminal's Ctrl-C from it: it is stopped in order.
func childAttributes() *syscall.SysProcAttr {
	// SIGKILL loses nothing: every acknowledged write has been handed to the kernel.
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
