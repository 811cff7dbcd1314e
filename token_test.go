package pandapush_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pandapush/pandapush"
)

func bearer(text string) pandapush.Credential { return pandapush.Credential{Token: text, Given: true} }

// token signs claims as the back ends of applications do, with any JWT library.
func token(tb testing.TB, claims map[string]any) pandapush.Credential {
	tb.Helper()
	return signed(tb, jwt.SigningMethodHS256, []byte("s3cret"), claims)
}

func signed(tb testing.TB, method jwt.SigningMethod, secret any, claims map[string]any) pandapush.Credential {
	tb.Helper()
	text, err := jwt.NewWithClaims(method, jwt.MapClaims(claims)).SignedString(secret)
	if err != nil {
		tb.Fatal(err)
	}
	return bearer(text)
}

// raw signs claims that are JSON text, for what no library would write.
func raw(tb testing.TB, claims string) pandapush.Credential {
	tb.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	signature, err := jwt.SigningMethodHS256.Sign(text, []byte("s3cret"))
	if err != nil {
		tb.Fatal(err)
	}
	return bearer(text + "." + encode(signature))
}

// good returns the claims of a token that may do everything on /app/private/x and below, with changes.
func good(changes map[string]any) map[string]any {
	claims := map[string]any{"keyId": "good", "channel": "/app/private/x/**", "pub": true, "sub": true}
	maps.Copy(claims, changes)
	return claims
}

func TestTokenSignatures(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	hmac := []byte("s3cret")
	fine := token(t, good(nil)).Token
	const target = "/app/private/x/y"
	decide(t, []row{
		allow(bearer(fine), subscribe, target),
		allow(signed(t, jwt.SigningMethodHS384, hmac, good(nil)), subscribe, target),
		allow(signed(t, jwt.SigningMethodHS512, hmac, good(nil)), subscribe, target),
		deny(signed(t, jwt.SigningMethodRS256, rsaKey, good(nil)), subscribe, target, pandapush.ErrInvalidToken),
		deny(signed(t, jwt.SigningMethodPS256, rsaKey, good(nil)), subscribe, target, pandapush.ErrInvalidToken),
		deny(signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good(nil)), subscribe, target, pandapush.ErrInvalidToken),
		deny(signed(t, jwt.SigningMethodHS256, []byte("wrong"), good(nil)), subscribe, target, pandapush.ErrInvalidToken),
		deny(signed(t, jwt.SigningMethodHS256, []byte(""), good(map[string]any{"keyId": "no-secret"})), subscribe, target, pandapush.ErrInvalidToken),
		deny(bearer(fine+"AAAA"), subscribe, target, pandapush.ErrInvalidToken),
		deny(bearer(fine+"A="), subscribe, target, pandapush.ErrMalformedToken),
		deny(bearer(fine[:strings.LastIndex(fine, ".")+1]), subscribe, target, pandapush.ErrInvalidToken),
		deny(bearer(fine[:strings.LastIndex(fine, ".")]), subscribe, target, pandapush.ErrMalformedToken),
		deny(bearer("rubbish"), subscribe, target, pandapush.ErrMalformedToken),
		deny(bearer("a.b.c"), subscribe, target, pandapush.ErrMalformedToken),
		deny(bearer(strings.Repeat("a", pandapush.MaxTokenLength+1)), subscribe, target, pandapush.ErrMalformedToken),
		deny(raw(t, `[]`), subscribe, target, pandapush.ErrMalformedToken),
		deny(raw(t, `null`), subscribe, target, pandapush.ErrMalformedToken),
	})
}

func TestTokenTimes(t *testing.T) {
	const target = "/app/private/x/y"
	at := func(claim, value string) pandapush.Credential {
		return raw(t, fmt.Sprintf(`{"keyId":"good","channel":"/**","sub":true,%q:%s}`, claim, value))
	}
	unix := func(delta int64) string { return fmt.Sprint(now.Unix() + delta) }
	decide(t, []row{
		allow(at("exp", unix(1)), subscribe, target),
		deny(at("exp", unix(0)), subscribe, target, pandapush.ErrInvalidToken),
		deny(at("exp", unix(-1)), subscribe, target, pandapush.ErrInvalidToken),
		allow(at("nbf", unix(0)), subscribe, target),
		deny(at("nbf", unix(1)), subscribe, target, pandapush.ErrInvalidToken),
		allow(at("iat", unix(3600)), subscribe, target),
		allow(at("iat", `"yesterday"`), subscribe, target),
		allow(at("aud", `["anyone"]`), subscribe, target),
		deny(at("exp", "0"), subscribe, target, pandapush.ErrInvalidToken),
		deny(at("exp", "null"), subscribe, target, pandapush.ErrInvalidToken),
		deny(at("exp", `"`+unix(60)+`"`), subscribe, target, pandapush.ErrInvalidToken),
		deny(at("exp", `"never"`), subscribe, target, pandapush.ErrInvalidToken),
		deny(at("exp", `{}`), subscribe, target, pandapush.ErrInvalidToken),
		deny(at("exp", `true`), subscribe, target, pandapush.ErrInvalidToken),
		deny(at("nbf", `""`), subscribe, target, pandapush.ErrInvalidToken),
		deny(at("nbf", `null`), subscribe, target, pandapush.ErrInvalidToken),
	})
}

func TestTokenRights(t *testing.T) {
	with := func(changes map[string]any) pandapush.Credential { return token(t, good(changes)) }
	decide(t, []row{
		allow(with(nil), publish, "/app/private/x/y"),
		allow(with(nil), subscribe, "/app/private/x/**"),
		deny(with(nil), subscribe, "/app/private/x", pandapush.ErrTokenChannel),
		deny(with(nil), subscribe, "/app/private/xy/z", pandapush.ErrTokenChannel),
		deny(with(map[string]any{"sub": false}), subscribe, "/app/private/x/y", pandapush.ErrNoSubscribing),
		deny(with(map[string]any{"sub": "true"}), subscribe, "/app/private/x/y", pandapush.ErrNoSubscribing),
		deny(with(map[string]any{"sub": 1}), subscribe, "/app/private/x/y", pandapush.ErrNoSubscribing),
		deny(with(map[string]any{"sub": nil}), subscribe, "/app/private/x/y", pandapush.ErrNoSubscribing),
		deny(with(map[string]any{"pub": "true"}), publish, "/app/private/x/y", pandapush.ErrNoPublishing),
		allow(with(map[string]any{"pub": "true"}), subscribe, "/app/private/x/y"),
		deny(with(map[string]any{"keyId": 7}), publish, "/app/private/x/y", pandapush.ErrMalformedToken),
		deny(with(map[string]any{"keyId": "theirs"}), publish, "/app/private/x/y", pandapush.ErrUnknownKey),
		deny(with(map[string]any{"channel": nil}), publish, "/app/private/x/y", pandapush.ErrTokenChannel),
		deny(with(map[string]any{"channel": 7}), publish, "/app/private/x/y", pandapush.ErrInvalidToken),
		allow(with(map[string]any{"channel": "/**"}), publish, "/app/private/x/y"),
		allow(with(map[string]any{"channel": "/app/**"}), publish, "/app/private/x/y"),
		deny(with(map[string]any{"channel": "/other/**"}), publish, "/app/private/x/y", pandapush.ErrTokenChannel),
		allow(with(map[string]any{"channel": "/app/private/x/y"}), publish, "/app/private/x/y"),
		deny(with(map[string]any{"channel": "/app/private/x/*"}), subscribe, "/app/private/x/**", pandapush.ErrTokenChannel),
		allow(with(map[string]any{"channel": "/app/meta/*"}), subscribe, "/app/meta/statistics"),
		deny(with(map[string]any{"channel": "/app/meta/*"}), publish, "/app/meta/statistics", pandapush.ErrMetaReadOnly),
		deny(with(map[string]any{"keyId": "expired"}), publish, "/app/private/x/y", pandapush.ErrExpiredKey),
		deny(with(map[string]any{"keyId": "revoked"}), publish, "/app/private/x/y", pandapush.ErrRevokedKey),
		// Names of claims count to the letter, and of two of the same name the last.
		deny(raw(t, `{"keyId":"good","channel":"/**","SUB":true}`), subscribe, "/app/private/x", pandapush.ErrNoSubscribing),
		deny(raw(t, `{"keyId":"good","channel":"/**","sub":false,"Sub":true}`), subscribe, "/app/private/x", pandapush.ErrNoSubscribing),
		deny(raw(t, `{"keyId":"good","Channel":"/**","sub":true}`), subscribe, "/app/private/x", pandapush.ErrTokenChannel),
		deny(raw(t, `{"keyId":"good","channel":"/**","sub":true,"sub":false}`), subscribe, "/app/private/x", pandapush.ErrNoSubscribing),
		deny(raw(t, `{"KEYID":"good","channel":"/**","sub":true}`), subscribe, "/app/private/x", pandapush.ErrMalformedToken),
	})
}

func TestPresenceIDs(t *testing.T) {
	for presence, want := range map[string]string{
		`{"id":"ann","name":"Ann"}`: "ann", `{"id":42}`: "42", `{"id":0}`: "0", `{"id":9007199254740993}`: "9007199254740993",
		`{"id":"ann","ID":"bob"}`: "ann",
		`{"ID":"bob"}`:            "", `{"id":""}`: "", `{"id":null}`: "", `{"id":true}`: "", `{"id":{"id":"x"}}`: "", `{}`: "", `null`: "", `"ann"`: "", `["id"]`: "",
	} {
		who := raw(t, `{"keyId":"good","channel":"/app/presence/*","sub":true,"presence":`+presence+`}`)
		grant, err := pandapush.NewAuthority(keys).Authorize(who, subscribe, pattern(t, "/app/presence/room"), now)
		if want == "" {
			if !errors.Is(err, pandapush.ErrNoPresenceID) {
				t.Errorf("presence %s: %v, want %v", presence, err, pandapush.ErrNoPresenceID)
			}
			continue
		}
		if err != nil || grant.User != want || string(grant.Presence) != presence {
			t.Errorf("presence %s: user %q, %v; want %q", presence, grant.User, err, want)
		}
	}
}

func TestMintToken(t *testing.T) {
	app := keys["app"]["good"]
	text, err := pandapush.MintToken(app, pandapush.TokenClaims{
		Channel: "/app/presence/room", Sub: true, Presence: json.RawMessage(`{"id":"ann"}`), Issued: now, Expires: now.Add(time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	decide(t, []row{
		allow(bearer(text), subscribe, "/app/presence/room"),
		deny(bearer(text), publish, "/app/presence/room", pandapush.ErrNoPublishing),
	})
	grant, err := pandapush.NewAuthority(keys).Authorize(bearer(text), subscribe, pattern(t, "/app/presence/room"), now)
	if err != nil || !grant.Expires.Equal(now.Add(time.Minute)) || grant.User != "ann" {
		t.Errorf("grant of %s until %v, %v", grant.User, grant.Expires, err)
	}
	for _, tc := range []struct {
		claims pandapush.TokenClaims
		want   error
	}{
		{pandapush.TokenClaims{Channel: "/other/private/x"}, pandapush.ErrInvalidChannel},
		{pandapush.TokenClaims{Channel: "/app/**"}, pandapush.ErrInvalidChannel},
		{pandapush.TokenClaims{}, pandapush.ErrInvalidChannel},
		{pandapush.TokenClaims{Channel: "/app/presence/x", Presence: json.RawMessage(`{"name":"Ann"}`)}, pandapush.ErrNoPresenceID},
	} {
		if _, err := pandapush.MintToken(app, tc.claims); !errors.Is(err, tc.want) {
			t.Errorf("minting for %q: %v, want %v", tc.claims.Channel, err, tc.want)
		}
	}
}

// FuzzToken sends whatever a stranger could: it is never let in without a signature, every refusal is one that has a text
// for the client, and nothing panics. With sign set, the text is the claims of a token that is signed with a good key.
func FuzzToken(f *testing.F) {
	f.Add(token(f, good(nil)).Token, false)
	f.Add("a.b.c", false)
	f.Add("", false)
	f.Add(`{"keyId":"good","channel":"/app/private/**","pub":true,"sub":true,"exp":1e300,"nbf":-1,"presence":{"id":1e400}}`, true)
	f.Add(`{"keyId":"good","channel":["/**"],"pub":{},"presence":[],"exp":"1"}`, true)
	f.Fuzz(func(t *testing.T, text string, sign bool) {
		who := bearer(text)
		if sign {
			who = raw(t, text)
		}
		for _, action := range []pandapush.Action{publish, subscribe} {
			for _, target := range []string{"/app/private/x", "/app/presence/**"} {
				grant, err := pandapush.NewAuthority(keys).Authorize(who, action, pattern(t, target), now)
				if _, refused := errors.AsType[pandapush.Refusal](err); err != nil && !refused {
					t.Fatalf("%v is for no client to see", err)
				}
				if err == nil && (!grant.Covers(pattern(t, target)) || grant.App != "app" || grant.Key == "") {
					t.Fatalf("granted %+v", grant)
				}
			}
		}
	})
}

func TestRotatedSecret(t *testing.T) {
	keys := ring{"app": {"good": {App: "app", ID: "good", Secret: "new", PreviousSecret: "s3cret", PreviousUntil: now}}}
	target, err := pandapush.ParsePattern("/app/private/x/y")
	if err != nil {
		t.Fatal(err)
	}
	withNew := signed(t, jwt.SigningMethodHS256, []byte("new"), good(nil))
	byKey := func(secret pandapush.Secret) pandapush.Credential {
		return pandapush.Credential{Key: "good", Secret: secret, Given: true}
	}
	for _, row := range []struct {
		name string
		cred pandapush.Credential
		at   time.Time
		want error
	}{
		{"a token of the old secret in the overlap", token(t, good(nil)), now.Add(-1), nil},
		{"a token of the old secret after it", token(t, good(nil)), now, pandapush.ErrInvalidToken},
		{"a token of the new secret", withNew, now.Add(-1), nil},
		{"a token of the new secret after it", withNew, now, nil},
		{"the old secret in the overlap", byKey("s3cret"), now.Add(-1), nil},
		{"the old secret after it", byKey("s3cret"), now, pandapush.ErrWrongSecret},
		{"the new secret", byKey("new"), now.Add(-1), nil},
		{"another secret", byKey("other"), now.Add(-1), pandapush.ErrWrongSecret},
		{"no secret", byKey(""), now.Add(-1), pandapush.ErrWrongSecret},
	} {
		if _, err := pandapush.NewAuthority(keys).Authorize(row.cred, pandapush.Publish, target, row.at); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}
