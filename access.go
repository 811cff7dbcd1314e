package pandapush

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"time"
)

// Credential is what a request brings to show that it may do what it asks for. The zero Credential is none at all.
type Credential struct {
	Token  string // a JWT; wins over Key and Secret
	Key    KeyID
	Secret Secret
	Given  bool // the request carried authentication of some form, though it may be incomplete
}

// LogValue hides the credential from logs.
func (Credential) LogValue() slog.Value { return slog.StringValue("[credential]") }

// String hides the credential from fmt.
func (Credential) String() string { return "[credential]" }

// GoString hides the credential from fmt's "%#v".
func (Credential) GoString() string { return "[credential]" }

// Action is what a request asks for.
type Action int

// The actions.
const (
	Publish Action = iota
	Subscribe
	Read // what a channel has kept, or who is there: as Subscribe, but without having to say who one is
)

// Keys looks up applications and keys in memory. It must be safe for concurrent use and must not block.
type Keys interface {
	// HasApp reports whether the application exists.
	HasApp(app AppID) bool
	// Key returns the key of that application, even if it has expired or been revoked.
	Key(app AppID, id KeyID) (Key, bool)
	// Settings returns what is set for the application, zero if it does not exist. Its Origins must not be changed.
	Settings(app AppID) Settings
}

// Grant is what a credential allows, as Authorize found it. It is kept with a subscription, so that this can be ended when
// the key is revoked or the token expires.
type Grant struct {
	App      AppID
	Scope    string // the token's channel or pattern, or "/**" for a key: all that it covers is granted
	Pub, Sub bool
	Presence json.RawMessage // the token's presence object; nil if it has none
	User     string          // the id in Presence
	Key      KeyID           // empty for a public subscription without a credential
	Expires  time.Time       // the earlier of the token's and the key's; zero if it never ends
}

// Covers reports whether the grant reaches every channel that target matches.
func (g Grant) Covers(target Pattern) bool {
	return g.App == target.App() && covers(g.Scope, target.name)
}

// Authority decides what credentials allow. Keys may change at any time, so decisions are never cached; what is cached is
// which tokens were signed with which secret. It is safe for concurrent use.
type Authority struct {
	keys   Keys
	tokens tokens
}

// NewAuthority returns an Authority over keys.
func NewAuthority(keys Keys) *Authority { return &Authority{keys: keys} }

// Authorize decides whether cred allows action on target, and returns the grant that says so. It is the only place
// where that is decided. Errors are Refusals; the order of the checks is that of the Node version, since it decides
// which text a client sees.
func (a *Authority) Authorize(cred Credential, action Action, target Pattern, now time.Time) (Grant, error) {
	app := target.App()
	if action != Publish && target.Kind() == Public {
		// A public channel needs no credential, and a bad one does no harm.
		if !a.keys.HasApp(app) {
			return Grant{}, ErrUnknownApp
		}
		if a.keys.Settings(app).Suspended {
			return Grant{}, ErrSuspended
		}
		return Grant{App: app, Scope: target.name, Sub: true}, nil
	}
	grant, err := a.Verify(cred, app, now)
	if err != nil {
		return Grant{}, err
	}
	if err := grant.Allows(action, target); err != nil {
		return Grant{}, err
	}
	return grant, nil
}

// Verify checks a credential of app by itself, whatever it is used for: the first half of Authorize. Grant.Allows is the
// second half. A request with many targets calls Verify once, and Allows for each target.
func (a *Authority) Verify(cred Credential, app AppID, now time.Time) (Grant, error) {
	grant, err := a.verify(cred, app, now)
	switch {
	case err != nil:
		return Grant{}, err
	case a.keys.Settings(app).Suspended:
		return Grant{}, ErrSuspended
	}
	return grant, nil
}

func (a *Authority) verify(cred Credential, app AppID, now time.Time) (Grant, error) {
	switch {
	case cred.Token != "":
		v, key, err := a.verifyToken(cred.Token, app, now)
		if err != nil {
			return Grant{}, err
		}
		c := v.claims
		grant := Grant{
			App: app, Scope: c.Channel, Pub: isTrue(c.Pub), Sub: isTrue(c.Sub),
			Presence: c.Presence, User: v.user, Key: key.ID, Expires: key.ExpiresAt,
		}
		if c.Expires != nil && (grant.Expires.IsZero() || c.Expires.Before(grant.Expires)) {
			grant.Expires = c.Expires.Time
		}
		return grant, key.Usable(now)
	case cred.Key != "":
		key, ok := a.keys.Key(app, cred.Key)
		if !ok {
			return Grant{}, ErrUnknownKey
		}
		if !key.Accepts(cred.Secret, now) {
			return Grant{}, ErrWrongSecret
		}
		return Grant{App: app, Scope: "/**", Pub: true, Sub: true, Key: key.ID, Expires: key.ExpiresAt}, key.Usable(now)
	case cred.Given:
		return Grant{}, ErrIncompleteAuth
	}
	return Grant{}, ErrNoAuth
}

// verifyToken returns what a token of app says, and the key that it names, which has signed it.
func (a *Authority) verifyToken(token string, app AppID, now time.Time) (verified, Key, error) {
	if v, key, ok := a.tokens.find(a.keys, token, app, now); ok {
		return v, key, nil
	}
	v, key, err := parseToken(token, now, func(id KeyID) (Key, error) {
		key, ok := a.keys.Key(app, id)
		if !ok {
			return Key{}, ErrUnknownKey
		}
		return key, nil
	})
	if err == nil {
		a.tokens.put(token, v)
	}
	return v, key, err
}

// Allows checks a grant that Verify has just returned against what is asked for. The error is a Refusal.
func (g Grant) Allows(action Action, target Pattern) error {
	switch {
	case !g.Covers(target):
		return ErrTokenChannel
	case action != Publish && !g.Sub:
		return ErrNoSubscribing
	case action == Publish && !g.Pub:
		return ErrNoPublishing
	case action == Subscribe && target.Kind() == Presence && g.User == "":
		return ErrNoPresenceID
	case action == Publish && target.Kind() == Meta:
		return ErrMetaReadOnly
	}
	return nil
}

// equalSecrets compares in a time that depends on neither secret. An empty secret equals nothing.
func equalSecrets(a, b Secret) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return b != "" && subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
