// Package trie finds the subscriptions that a channel matches.
//
// A pattern is a channel name whose last segment may be "*" (exactly one more segment) or "**" (one or more). A channel
// of n segments can be matched by no more than n+2 patterns: its own name, its parent's "*", and the "**" of each of its
// n ancestors, the root included. Match looks up just those, so its cost grows with the depth of the channel and never with
// the number of subscriptions.
//
// The trie is kept flat: a node is found by its path, which is a piece of the channel's own text, and not by walking
// pointers. So only the nodes that hold values exist, there is nothing to prune but an empty set, and a look-up copies
// nothing. The price is that each prefix is hashed anew, which the bound on the length of channels keeps small.
//
// The package knows nothing of applications or sessions, and it checks no names: that was done when the pattern was
// parsed.
package trie
