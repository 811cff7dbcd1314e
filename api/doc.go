// Package api is what back ends and operators call over plain HTTP: publishing, reading back, following, presence, health,
// readiness and metrics. The event streams themselves are edge's, and so is Bayeux; the admin API is api/admin's.
//
//	method, path                                            credential     answer
//	POST /channel/<app>/<public|private|presence>/<path>    key or token   200 "OK", X-Message-Id; the entry is stored
//	POST /batch/<app>                                       key or token   200, a result for each message; or lines, see below
//	GET, HEAD /channel/<app>/<kind>/<path or pattern>       as needed      200, a page of what is kept; an event stream, if
//	                                                                       Accept names that
//	GET, HEAD /presence/<app>/<path>                        key or token   200 {"members","count","cursor"}: who is in the room
//	OPTIONS of these                                        –              204, CORS preflight
//	GET, HEAD /openapi.json                                 –              200, all of this for programs
//	GET, HEAD /health_check.json                            –              200 {"version","rev","built"}, asks nobody
//	GET, HEAD /livez                                        –              200 while the process can answer
//	GET, HEAD /readyz                                       –              200, or 503 naming what fails, or draining
//	GET, HEAD /metrics                                      –              200, Prometheus text
//
// docs/http-api.md shows what each of them takes; tests check the handlers against openapi.json.
//
// # Files
//
//	routes.go      the routes; the only file that knows echo
//	middleware.go  request id, panics, metrics, access log
//	cors.go        which pages may use an application
//	credential.go  who is asking
//	params.go      query parameters and headers, and errors that name them
//	publish.go     one message; body.go, gunzip.go and form.go: what a body becomes
//	batch.go       many messages; entry.go: one of them
//	stream.go      a message a line
//	limit.go       how many messages an application or a key may publish
//	history.go     what is kept; follow.go: what comes; presence.go: who is there
//	respond.go     how answers are written; errors.go: the table from errors to problems
//	openapi.go     openapi.json
//	health.go, metrics.go, server.go
//
// # A publish, file by file
//
// routes.go → middleware.go → publish.go: the channel from the path → cors.go → credential.go → pandapush.Authority →
// params.go → limit.go → body.go → Stream → the reply. A credential is checked before the body is read, so that a stranger
// costs no memory; a batch's messages are checked one by one against the grant that its credential gives, and all of them
// before any is stored.
//
// A stream of lines has only the goroutine of its request, which reads what has come, stores it in one pipeline, and answers:
// a client that sends faster than Redis takes it, or than the limits allow, has to wait. A page of history is made of reads of
// a hundred entries, and ends early when it has looked at too many: the cost of a request is bounded, however rare the
// messages are that it looks for.
//
// A body becomes the payload, which is always a JSON object:
//
//	Content-Type                        body                   payload
//	JSON (application/json, …+json)     a JSON object          those bytes, untouched
//	none                                a JSON object          those bytes, untouched
//	JSON or none                        empty                  {}
//	application/x-www-form-urlencoded   a form                 an object of strings, see below
//	application/x-www-form-urlencoded   begins with { or [     read as JSON: curl -d '{"a":1}' says form, and means JSON
//	anything else                       begins with {          read as JSON
//	anything else                       anything else          415 (the Node version published {} in its stead)
//
// In a form, a[b]=c nests, a[]=x is an array, and a name that comes more than once is an array of its values; a name with
// other brackets is taken literally. All text is UTF-8: any other charset is 415, and so is any Content-Encoding but gzip.
//
// # Errors
//
// Every error is a problem (RFC 9457) of one of the kinds in errors.go. POST /channel, and paths without a route, are older:
// there only a client that prefers JSON to HTML gets problems. Others get what the Node version said, with its statuses: 400
// and {"code":null,"params":[],"message":"<text>"} for refusals, 403 "Unauthorized" without a credential, pages for 404 and
// 405, texts for 500 and 503. A client that accepts both equally, as axios does by default with "application/json, text/plain,
// */*", counts among these, since such clients have been written against those texts.
//
// # Rules
//
// Neither credentials nor payloads nor query strings are ever logged. Label sets of the metrics are bounded: routes are
// templates, unknown ones are "other", and so are unknown methods.
package api
