// Package pandapush is the vocabulary of Pandapush, a multi-tenant web pub/sub service: channels and patterns, messages
// and their cursors, applications, keys and tokens, the one access decision, and the errors that every transport maps.
//
// It does no I/O and starts no goroutine: every folder of the project imports it and none of the others,
// and only cmd/pandapush knows them all.
//
//	channel.go   Channel, Pattern: what a name may look like, what a wildcard matches and covers
//	cursor.go    Cursor: where a message stands in its application's stream
//	message.go   Message: one publication
//	key.go       App, Key: a tenant and its credentials
//	token.go     the claims of a JWT and their verification
//	tokens.go    which tokens were verified already
//	access.go    Authority: the one decision who may publish and subscribe where
//	errors.go    Refusal and the sentinels
//
// All types but Authority are values, safe for concurrent use once made; an Authority is so, too.
package pandapush
