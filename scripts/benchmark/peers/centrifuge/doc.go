// Centrifuge is a small server on the library of that name, the engine of Centrifugo, with its Redis broker and otherwise
// its defaults. Its WebSockets are at /connection/websocket; POST /api/publish takes {"channel", "data"}, as Centrifugo's
// HTTP API does.
//
//	centrifuge --redis HOST:PORT [--history N]
//
// It prints the address that it listens on.
package main
