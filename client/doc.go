// Package client embeds the JavaScript client, client.js, and serves it.
//
// The client itself is the TypeScript under src, built into dist by "npm run build", which scripts/build calls:
//
//	src/client.ts          what applications call
//	src/subscriptions.ts   who listens to what
//	src/topic.ts           one channel's subscription: made again in new sessions, renewed before its token expires
//	src/session.ts         one Bayeux session: handshake, connect, advice
//	src/dispatcher.ts      every request gets its reply
//	src/shared             one session for all pages of an origin
//	src/transport          WebSocket, EventSource and HTTP long-polling
//	examples               pages to begin with, and the package that serves them
//	interop                tests of the real server with this client, Faye's, CometD's and a browser
//
// handler.go serves it as /client.js, faye.go as Faye's own client to pages that load that from the server.
//
// Go builds without Node: dist then holds nothing but a placeholder, a script that throws an error that says so.
package client
