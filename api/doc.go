// Package api is what servers and operators call over plain HTTP: publishing, following, health, readiness and
// metrics. The streams that follow are edge's, and so is Bayeux.
//
//	method, path                                            credential     answer
//	POST /channel/<app>/<public|private|presence>/<path>    key or token   200 "OK", X-Message-Id; the entry is stored
//	GET /channel/<app>/<kind>/<path or pattern>             as needed      an event stream, if Accept names that
//	GET, HEAD /presence/<app>/<path>                        key or token   200 {"members","count","cursor"}: who is in the room
//	OPTIONS /channel/…                                      –              204, CORS preflight
//	GET, HEAD /health_check.json                            –              200 {"version","rev","built"}, asks nobody
//	GET, HEAD /livez                                        –              200 while the process can answer
//	GET, HEAD /readyz                                       –              200, or 503 naming what fails, or draining
//	GET, HEAD /metrics                                      –              200, Prometheus text
//
// # A publish, file by file
//
// routes.go → middleware.go (request id, panics, metrics, access log) → publish.go: the channel from the path →
// credential.go → pandapush.Authorize → body.go (form.go for forms) → Appender → the reply. Every error goes through the one
// table of errors.go. Only routes.go knows echo; all else is net/http.
//
// A credential is the token query parameter, or else the Authorization header: Basic keyId:secret, Token <jwt> or
// Bearer <jwt>. It is checked before the body is read, so that a stranger costs no memory.
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
// brackets of another shape is taken as it is. The text is UTF-8 throughout: any other charset and any Content-Encoding is 415.
//
// # Answers
//
//	200   "OK" (text/html, as ever), or {"id":"<cursor>"}
//	400   refused, or the body is no JSON object; JSON, whatever the client accepts
//	403   "Unauthorized": no credential in a form that is known
//	404   no such route; the channel's path is not of the grammar; meta channels, which only the server writes
//	405   with Allow
//	406   a GET that does not ask for an event stream
//	413   the body is larger than Config.MaxBody; JSON
//	415   neither JSON nor a form, or not in UTF-8; JSON
//	503   Redis is away, with Retry-After; the message may or may not have been stored
//	500   a fault of ours; the log has the request id
//
// A JSON error is {"code":null,"params":[],"message":"<text>"}. A client that prefers JSON to HTML by its Accept header gets JSON
// for everything. One that takes both alike, as axios does by default with "application/json, text/plain, */*", gets the
// texts of the Node version, since that is what such clients have been written against.
//
// # Rules
//
// Neither credentials nor payloads nor query strings are ever logged. Label sets of the metrics are bounded: routes are
// templates, unknown ones are "other", and so are unknown methods.
package api
