// Package login finds out who asks and what they may do. It knows nothing of applications.
//
//	login.go      Config, New, Logins: the user of a request, pages that want one, logging out
//	role.go       User and Role
//	basic.go      AUTH_METHOD=basic: one user, by HTTP Basic
//	oidc.go       AUTH_METHOD=oidc (or okta): an OpenID provider; the way there and back
//	provider.go   what the provider says: discovery, tokens, claims
//	seal.go       Sealer: cookies, and ids that say nothing to others
//	cookie.go     the cookies
//	throttle.go   slowing down those who guess
//	page.go       the few pages of its own
//
// # What is kept
//
// Nothing, on the server: a login by OpenID is a cookie that is sealed (encrypted and authenticated) with a key that all
// nodes share, so any of them can open it. It ends after Config.SessionTTL; what the provider may do to a user meanwhile is
// not noticed before. Roles are looked up at every request, but for those that came as a claim, which are in the cookie.
// Failed logins are counted in memory, for a bounded number of addresses and users, and by each node for itself.
//
// # What is defended against
//
// Pages of other origins: whatever is not a GET is refused when the browser says that it comes from one (Sec-Fetch-Site, or
// Origin in old browsers), and cookies are SameSite=Lax. Logins that somebody else began: state, nonce and the PKCE
// verifier are in a sealed cookie of the browser that began. Redirects go to paths of this service alone. Guessing: an
// address has ten tries and then one every half minute; a user has a hundred tries from addresses that never got in as that
// user, and then one every ten seconds. Times do not tell how much of a password was right.
//
// # Logging out
//
// With OpenID the cookie is dropped. With HTTP Basic it is the browser that keeps the password, and nothing but a refusal
// makes it forget: so /logout leaves a cookie, and the next page is refused once in its light.
package login
