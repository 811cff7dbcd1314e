// Package rig starts the servers that are measured, on loopback and in a temporary folder, and reads from the system what
// they cost: time of the processor, resident memory, commands of Redis.
//
// Nothing outlives it. Close ends what was started, and should the benchmark itself be killed, the system ends its
// children (PR_SET_PDEATHSIG). The latter is tied to the thread that started them: start servers from main's goroutine,
// locked to its thread.
package rig
