// Package examples serves three pages that show what client.js does, for development: a chat, a counter and a dashboard.
//
//	index.html      what there is
//	chat.html       who is there, what was said before, and what is said now
//	counter.html    a number that survives a reload, because the page keeps the cursor
//	dashboard.html  all that flows in the public channels, and the application's numbers
//	style.css       how they look; each page works without it
//	examples.go     serves them, and tokens for what they do
//
// The pages are as one would write them: no build, one file each. They are served only where the operator asks for it
// (EXAMPLES), and never belong on a server that strangers reach: /examples/token gives a token to whoever asks. The tokens
// are for the channels of the pages only, and short-lived, which also shows that the client renews them.
package examples
