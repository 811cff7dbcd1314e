// Package load is the clients of the benchmark: thousands of WebSockets on one epoll loop, without a goroutine or a buffer
// for each, so that they leave the machine to the servers that are measured.
//
// A Session is a client of Pandapush that comes and goes; a Client is one of any server, which it speaks to in the server's
// Dialect; a Poster publishes from the loop, over HTTP.
//
// A Loop and everything on it belong to one goroutine, which calls Poll again and again: there are no locks, and a
// measurement reads like what it does. Only a Publisher has goroutines of its own, and speaks to the others by counters.
package load
