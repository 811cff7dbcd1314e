package pandapush_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// now is the time at which all decisions of these tests are made.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// ring is the Keys of these tests: application "app" has a few keys, "other" has one.
type ring map[pandapush.AppID]map[pandapush.KeyID]pandapush.Key

func (r ring) HasApp(app pandapush.AppID) bool { return r[app] != nil }

func (r ring) Key(app pandapush.AppID, id pandapush.KeyID) (pandapush.Key, bool) {
	key, ok := r[app][id]
	return key, ok
}

// Settings says that the application "suspended" is, and nothing else.
func (ring) Settings(app pandapush.AppID) pandapush.Settings {
	return pandapush.Settings{Suspended: app == "suspended"}
}

var keys = ring{
	"app": {
		"good":      {ID: "good", App: "app", Secret: "s3cret"},
		"later":     {ID: "later", App: "app", Secret: "s3cret", ExpiresAt: now.Add(time.Second), RevokedAt: now.Add(time.Second)},
		"expired":   {ID: "expired", App: "app", Secret: "s3cret", ExpiresAt: now},
		"revoked":   {ID: "revoked", App: "app", Secret: "s3cret", RevokedAt: now},
		"both":      {ID: "both", App: "app", Secret: "s3cret", ExpiresAt: now, RevokedAt: now},
		"no-secret": {ID: "no-secret", App: "app"},
	},
	"other":     {"theirs": {ID: "theirs", App: "other", Secret: "s3cret"}},
	"suspended": {"good": {ID: "good", App: "suspended", Secret: "s3cret"}},
}

// Who asks.
var nobody pandapush.Credential

func key(id pandapush.KeyID) pandapush.Credential {
	return pandapush.Credential{Key: id, Secret: "s3cret", Given: true}
}

// row is one decision.
type row struct {
	who    pandapush.Credential
	action pandapush.Action
	target string
	why    error // nil if it is allowed
}

func allow(who pandapush.Credential, action pandapush.Action, target string) row {
	return row{who, action, target, nil}
}

func deny(who pandapush.Credential, action pandapush.Action, target string, why error) row {
	return row{who, action, target, why}
}

const (
	publish   = pandapush.Publish
	subscribe = pandapush.Subscribe
	read      = pandapush.Read
)

func decide(t *testing.T, rows []row) {
	t.Helper()
	for i, row := range rows {
		grant, err := pandapush.NewAuthority(keys).Authorize(row.who, row.action, pattern(t, row.target), now)
		if !errors.Is(err, row.why) {
			t.Errorf("row %d: action %d on %s: %v, want %v", i, row.action, row.target, err, row.why)
		}
		if (err == nil) != grant.Covers(pattern(t, row.target)) {
			t.Errorf("row %d: %v, but the grant's scope is %q", i, err, grant.Scope)
		}
	}
}

func TestSuspended(t *testing.T) {
	decide(t, []row{
		deny(nobody, subscribe, "/suspended/public/x", pandapush.ErrSuspended),
		deny(nobody, read, "/suspended/public/x", pandapush.ErrSuspended),
		deny(key("good"), publish, "/suspended/public/x", pandapush.ErrSuspended),
		deny(key("good"), subscribe, "/suspended/private/x", pandapush.ErrSuspended),
		deny(key("unknown"), publish, "/suspended/public/x", pandapush.ErrUnknownKey), // strangers are told nothing
	})
}

func TestReading(t *testing.T) {
	subscriber := token(t, good(map[string]any{"pub": false, "channel": "/app/presence/**"}))
	publisher := token(t, good(map[string]any{"sub": false, "channel": "/app/presence/**"}))
	decide(t, []row{
		allow(nobody, read, "/app/public/**"),
		deny(nobody, read, "/nosuch/public/x", pandapush.ErrUnknownApp),
		deny(nobody, read, "/app/private/x", pandapush.ErrNoAuth),
		allow(key("good"), read, "/app/private/*"),
		allow(key("good"), read, "/app/presence/x"), // who reads is not there
		allow(subscriber, read, "/app/presence/x"),
		deny(subscriber, subscribe, "/app/presence/x", pandapush.ErrNoPresenceID),
		deny(subscriber, read, "/app/private/x", pandapush.ErrTokenChannel),
		deny(publisher, read, "/app/presence/x", pandapush.ErrNoSubscribing),
		deny(key("revoked"), read, "/app/private/x", pandapush.ErrRevokedKey),
	})
}

func TestPublicChannels(t *testing.T) {
	decide(t, []row{
		allow(nobody, subscribe, "/app/public/x"),
		allow(nobody, subscribe, "/app/public/**"),
		allow(key("unknown"), subscribe, "/app/public/x"),
		allow(bearer("rubbish"), subscribe, "/app/public/x"),
		deny(nobody, subscribe, "/nosuch/public/x", pandapush.ErrUnknownApp),
		deny(key("good"), subscribe, "/nosuch/public/x", pandapush.ErrUnknownApp),
		deny(nobody, publish, "/app/public/x", pandapush.ErrNoAuth),
		allow(key("good"), publish, "/app/public/x"),
	})
}

func TestKeys(t *testing.T) {
	wrong, none := key("good"), key("good")
	wrong.Secret, none.Secret = "wrong", ""
	empty := pandapush.Credential{Key: "no-secret"}
	decide(t, []row{
		allow(key("good"), publish, "/app/private/x"),
		allow(key("good"), publish, "/app/presence/x"),
		deny(key("good"), publish, "/app/meta/x", pandapush.ErrMetaReadOnly),
		allow(key("good"), subscribe, "/app/private/**"),
		allow(key("good"), subscribe, "/app/meta/*"),
		deny(key("good"), subscribe, "/app/presence/x", pandapush.ErrNoPresenceID),
		allow(key("later"), publish, "/app/private/x"),
		deny(key("expired"), publish, "/app/private/x", pandapush.ErrExpiredKey),
		deny(key("revoked"), publish, "/app/private/x", pandapush.ErrRevokedKey),
		deny(key("both"), publish, "/app/private/x", pandapush.ErrExpiredKey),
		deny(key("unknown"), publish, "/app/private/x", pandapush.ErrUnknownKey),
		deny(key("theirs"), publish, "/app/private/x", pandapush.ErrUnknownKey),
		deny(key("good"), publish, "/other/private/x", pandapush.ErrUnknownKey),
		deny(key("good"), publish, "/nosuch/private/x", pandapush.ErrUnknownKey),
		deny(wrong, publish, "/app/private/x", pandapush.ErrWrongSecret),
		deny(none, publish, "/app/private/x", pandapush.ErrWrongSecret),
		deny(empty, publish, "/app/private/x", pandapush.ErrWrongSecret),
		deny(nobody, subscribe, "/app/private/x", pandapush.ErrNoAuth),
		deny(nobody, subscribe, "/app/presence/x", pandapush.ErrNoAuth),
		deny(nobody, subscribe, "/app/meta/x", pandapush.ErrNoAuth),
		deny(pandapush.Credential{Given: true}, subscribe, "/app/private/x", pandapush.ErrIncompleteAuth),
		deny(pandapush.Credential{Secret: "s3cret", Given: true}, subscribe, "/app/private/x", pandapush.ErrIncompleteAuth),
		// The token wins when both are given.
		deny(pandapush.Credential{Token: "x", Key: "good", Secret: "s3cret"}, publish, "/app/private/x", pandapush.ErrMalformedToken),
	})
}

// TestOrderOfRefusals takes a request that has everything wrong and mends one thing after the other: the texts must come
// in the order of the Node version, since that decides which one a client sees.
func TestOrderOfRefusals(t *testing.T) {
	const target = "/app/presence/room"
	claims := map[string]any{"channel": "/app/private/x", "exp": now.Unix()}
	denied := func(who pandapush.Credential, want string) {
		t.Helper()
		if _, err := pandapush.NewAuthority(keys).Authorize(who, subscribe, pattern(t, target), now); err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
	with := func(name string, value any) pandapush.Credential {
		claims[name] = value
		return token(t, claims)
	}
	if _, err := pandapush.ParsePattern("/app/**"); err == nil || err.Error() != "Invalid channel name" {
		t.Errorf("%v, want the channel to be refused first", err)
	}
	denied(nobody, "No auth supplied")
	denied(pandapush.Credential{Given: true}, "Auth information does not include token or key")
	denied(token(t, claims), "Invalid token")
	denied(with("keyId", "unknown"), "Could not find key")
	denied(with("keyId", "expired"), "Invalid token provided")
	denied(with("exp", now.Add(time.Second).Unix()), "Expired key")
	denied(with("keyId", "revoked"), "Revoked key")
	denied(with("keyId", "good"), "Token does not match channel")
	denied(with("channel", target), "Token does not allow subscribing")
	denied(with("sub", true), "No presence id specified in presence subscription")
	if _, err := pandapush.NewAuthority(keys).Authorize(with("presence", map[string]any{"id": "ann"}), subscribe, pattern(t, target), now); err != nil {
		t.Errorf("with everything mended: %v", err)
	}
	if _, err := pandapush.NewAuthority(keys).Authorize(with("pub", false), publish, pattern(t, target), now); err == nil ||
		err.Error() != "Token does not allow publishing" {
		t.Errorf("publishing: %v", err)
	}
	wrong := key("expired")
	wrong.Secret = "wrong"
	denied(wrong, "Invalid secret")
}

func TestGrants(t *testing.T) {
	exp := now.Add(500 * time.Millisecond)
	for _, tc := range []struct {
		name   string
		who    pandapush.Credential
		target string
		want   pandapush.Grant
	}{
		{"public", key("good"), "/app/public/x", pandapush.Grant{App: "app", Scope: "/app/public/x", Sub: true}},
		{"key", key("good"), "/app/private/x", pandapush.Grant{App: "app", Scope: "/**", Pub: true, Sub: true, Key: "good"}},
		{"key that ends", key("later"), "/app/private/x", pandapush.Grant{
			App: "app", Scope: "/**", Pub: true, Sub: true, Key: "later", Expires: now.Add(time.Second),
		}},
		{"token", token(t, map[string]any{"keyId": "good", "channel": "/app/private/**", "sub": true}), "/app/private/x", pandapush.Grant{
			App: "app", Scope: "/app/private/**", Sub: true, Key: "good",
		}},
		{
			"token that outlives its key",
			token(t, map[string]any{"keyId": "later", "channel": "/**", "sub": true, "pub": true, "exp": now.Unix() + 60}),
			"/app/private/x",
			pandapush.Grant{App: "app", Scope: "/**", Pub: true, Sub: true, Key: "later", Expires: now.Add(time.Second)},
		},
		{
			"token that ends before its key",
			token(t, map[string]any{"keyId": "later", "channel": "/**", "sub": true, "exp": float64(exp.UnixMilli()) / 1000, "nbf": now.Unix()}),
			"/app/private/x",
			pandapush.Grant{},
		},
	} {
		got, err := pandapush.NewAuthority(keys).Authorize(tc.who, subscribe, pattern(t, tc.target), now)
		if !got.Expires.Equal(tc.want.Expires) {
			t.Errorf("%s: expires %v, want %v", tc.name, got.Expires, tc.want.Expires)
		}
		got.Expires, tc.want.Expires = time.Time{}, time.Time{}
		if fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%s: %+v, %v; want %+v", tc.name, got, err, tc.want)
		}
	}
}

func TestCredentialsHideThemselves(t *testing.T) {
	who := pandapush.Credential{Token: "t0ken", Key: "good", Secret: "s3cret"}
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v %s", who, who, who, who), who.LogValue().String(),
		fmt.Sprintf("%v %+v %#v", keys["app"]["good"], keys["app"]["good"], keys["app"]["good"]), who.Secret.LogValue().String(),
	} {
		for _, hidden := range []string{"t0ken", "s3cret"} {
			if strings.Contains(text, hidden) {
				t.Errorf("%s shows %s", text, hidden)
			}
		}
	}
	if who.Secret.Reveal() != "s3cret" {
		t.Error("Reveal must give the secret")
	}
}

func BenchmarkAuthorize(b *testing.B) {
	target := pattern(b, "/app/private/users/42/notifications")
	signed := token(b, map[string]any{"keyId": "good", "channel": "/app/private/users/42/**", "sub": true, "exp": now.Unix() + 60})
	for _, row := range []struct {
		name string
		who  pandapush.Credential
		anew bool // nothing is remembered
	}{
		{"key", key("good"), false},
		{"token", signed, true},
		{"token used again", signed, false},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			authority := pandapush.NewAuthority(keys)
			for b.Loop() {
				if row.anew {
					authority = pandapush.NewAuthority(keys)
				}
				if _, err := authority.Authorize(row.who, subscribe, target, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
