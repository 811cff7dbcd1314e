// Package admin is what operators and the teams of applications use: the admin API below /admin/api, and the web UI. The package
// login finds out who is asking, and live how much traffic there is.
//
//	openapi.json          the API, for people and for the UI's types; openapi.go embeds it
//	server.go             Config, New; what is needed of the database, the streams and the sessions
//	routes.go             every route, who may use it, and what all requests go through
//	message.go            reading bodies and queries, writing answers
//	problem.go            errors and their answers, in one table
//	apps.go               applications and their settings
//	keys.go, tokens.go    keys: make, rotate, revoke, delete; tokens
//	audit.go              who changed what
//	stats.go, events.go   live numbers, and streams of them
//	sessions.go           looking at all sessions; connections.go lists and ends them
//	stream.go             stored messages, and whom they reached
//	explain.go            why a credential may do something or not
//	explain_delivery.go   what became of a message
//	metrics.go            the series
//
// # Who may do what
//
// A root admin may do everything. A read-only user sees everything and changes nothing. Anyone else who is logged in may create
// applications, and see and change those that they administer; all others do not exist for them. Routes declare what they
// require, and admit checks it; no handler does.
//
// # What is never shown
//
// Secrets, except once to whoever creates one. Client ids: whoever knows one controls the session, so sessions have other names
// here, which only a server with the same session key can translate back.
//
// # What it costs the service
//
// Numbers come from memory. Listing all sessions reads them from Redis, a few hundred at a time, for at most two seconds, and at
// most two such requests run at a time; looking at a stream reads at most 5,000 entries. The number of event streams is
// bounded, and they send what is in memory.
//
// # Goroutines
//
// None of its own. Drain ends the event streams, which are the only requests that last.
package admin
