// Package pandapush is for back ends that use a Pandapush server: it publishes, reads back, follows, and mints tokens for
// browsers. It is a thin layer over the HTTP API (docs/http-api.md) and needs the standard library alone.
//
//	client.go   Client, its Config, the check of channel names
//	request.go  one request: attempts, timeouts, when to try again
//	errors.go   Error, what the server refuses with
//	publish.go  Publish and Batch
//	history.go  History
//	token.go    Token
//	follow.go   Follow, which comes back when its connection is lost
//	events.go   the text of an event stream
//
// The package starts no goroutine, keeps no state but the connections of its http.Client, and logs nothing. No error has a
// secret or a token in it.
package pandapush
