// Floor is the least that a server can do: it writes what is published to the sockets of a channel, and knows nothing of
// sessions, history or Redis. What another server costs more than this is the price of what it does besides.
//
//	floor [--coalesce DURATION]
//
// A socket asks for /push?channel=NAME. What it sends, and what is sent by POST to /publish?channel=NAME, goes to all of that
// channel. It prints the address that it listens on.
package main
