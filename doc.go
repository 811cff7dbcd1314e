// Package pandapush is the vocabulary of Pandapush, a multi-tenant web pub/sub service: channels and patterns, messages
// and their cursors, applications, keys and tokens, sessions and presence, the one access decision, and the errors that
// every transport maps.
//
// It does no I/O and starts no goroutine: every folder of the project imports it and none of the others,
// and only cmd/pandapush knows them all.
//
//	channel.go   Channel, Pattern: what a name may look like, what a wildcard matches and covers
//	cursor.go    Cursor: where a message stands in its application's stream
//	message.go   Message: one publication
//	key.go       App, Key: a tenant and its credentials
//	token.go     the claims of a JWT and their verification
//	tokens.go    a cache of tokens that have been verified
//	access.go    Authority: the one decision who may publish and subscribe where
//	session.go   Session, Subscription, Mail, Span: a client as it is stored, and what nodes tell each other of it
//	presence.go  Member, Seat, Room
//	settings.go  Settings: what an operator has set for an application
//	admin.go     what administrators ask for and change; Change, a row of the audit log
//	usage.go     Usage, and statistics.go Statistics: what is counted
//	errors.go    Refusal and the sentinels
//
// All types but Authority are plain values; an Authority is safe for concurrent use.
package pandapush
