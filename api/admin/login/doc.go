// Package login finds out who is asking and what they may do. It knows nothing about applications.
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
// nodes share, so any of them can open it. It ends after Config.SessionTTL; changes at the provider are not noticed before
// that. Roles are looked up at every request, except those from a claim, which are in the cookie. Failed logins are counted in
// memory, for a bounded number of addresses and users, by each node separately.
//
// # What is defended against
//
// Cross-site requests: anything but a GET is refused when the browser says that it comes from another origin (Sec-Fetch-Site,
// or Origin in old browsers), and cookies are SameSite=Lax, and Secure where this service's address is https. Login CSRF:
// state, nonce and the PKCE verifier are in a sealed cookie of the browser that began the login, one for each tab that did.
// Open redirects: they go only to paths of this service. Guessing: an address has ten tries and then one every half minute; a
// user has a hundred tries from addresses that never got in as that user, and then one every ten seconds. Timing does not
// reveal how much of a password was right.
//
// # Logging out
//
// With OpenID the cookie is deleted, and a link leads to the provider's own logout. With HTTP Basic it is the browser that
// keeps the password, and only a refusal makes it forget: so /logout sets a cookie, because of which the next page is refused
// once.
package login
