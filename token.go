package pandapush

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxTokenLength bounds the text of a token, in bytes.
const MaxTokenLength = 8 << 10

// claims are what a token says. Booleans are kept raw because "sub" is a boolean here and a string in RFC 7519, and
// because only a JSON true grants anything.
type claims struct {
	KeyID     string           `json:"keyId"`
	Channel   string           `json:"channel"`
	Pub       json.RawMessage  `json:"pub,omitempty"`
	Sub       json.RawMessage  `json:"sub,omitempty"`
	Presence  json.RawMessage  `json:"presence,omitempty"`
	Expires   *jwt.NumericDate `json:"exp,omitempty"`
	NotBefore *jwt.NumericDate `json:"nbf,omitempty"`
	Issued    *jwt.NumericDate `json:"iat,omitempty"`
}

// UnmarshalJSON reads all but keyId and iat. Names must match to the letter: encoding/json by itself would take "SUB" for
// "sub", and what one service denies another one must not read as granted.
func (c *claims) UnmarshalJSON(text []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	c.Pub, c.Sub, c.Presence = fields["pub"], fields["sub"], fields["presence"]
	if channel, ok := fields["channel"]; ok {
		if err := json.Unmarshal(channel, &c.Channel); err != nil {
			return err
		}
	}
	var err error
	if c.Expires, err = numericDate(fields["exp"]); err != nil {
		return err
	}
	c.NotBefore, err = numericDate(fields["nbf"])
	return err
}

// numericDate reads a time that must be a number if it is there at all: jwt.NumericDate also takes a string, and a null
// for none, so that a token with a mistake in it would never expire.
func numericDate(raw json.RawMessage) (*jwt.NumericDate, error) {
	if raw == nil {
		return nil, nil
	}
	if raw[0] == '"' || raw[0] == 'n' {
		return nil, jwt.ErrInvalidType
	}
	date := new(jwt.NumericDate)
	return date, date.UnmarshalJSON(raw)
}

// GetExpirationTime implements jwt.Claims.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.Expires, nil }

// GetNotBefore implements jwt.Claims.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return c.NotBefore, nil }

// GetIssuedAt implements jwt.Claims. "iat", "iss", "aud" and the standard "sub" are not looked at.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return nil, nil }

// GetIssuer implements jwt.Claims.
func (c *claims) GetIssuer() (string, error) { return "", nil }

// GetSubject implements jwt.Claims.
func (c *claims) GetSubject() (string, error) { return "", nil }

// GetAudience implements jwt.Claims.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return nil, nil }

// current reports whether the token is valid at that moment, by the rules of the parser.
func (c *claims) current(now time.Time) bool {
	return (c.Expires == nil || now.Before(c.Expires.Time)) && (c.NotBefore == nil || !now.Before(c.NotBefore.Time))
}

// parseToken verifies token with the key that it names, which find returns. The errors are Refusals.
func parseToken(token string, now time.Time, find func(KeyID) (Key, error)) (verified, Key, error) {
	if len(token) > MaxTokenLength {
		return verified{}, Key{}, ErrMalformedToken
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256", "HS384", "HS512"}),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
	// The claims are read once unverified, because they name the key that verifies them, and because a token that
	// can't be read has an error of its own.
	unverified := jwt.MapClaims{}
	_, _, err := parser.ParseUnverified(token, unverified)
	id, _ := unverified["keyId"].(string)
	if err != nil && !errors.Is(err, jwt.ErrTokenUnverifiable) || id == "" {
		return verified{}, Key{}, ErrMalformedToken
	}
	key, err := find(KeyID(id))
	if err != nil {
		return verified{}, Key{}, err
	}
	if key.Secret == "" {
		return verified{}, Key{}, ErrInvalidToken
	}
	for _, secret := range key.secrets(now) {
		c := &claims{KeyID: id}
		_, err := parser.ParseWithClaims(token, c, func(*jwt.Token) (any, error) { return []byte(secret.Reveal()), nil })
		if err == nil {
			return verified{c, presenceID(c.Presence), secret}, key, nil
		}
	}
	return verified{}, Key{}, ErrInvalidToken
}

func isTrue(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "true" }

// presenceID returns the id of a presence object as text: a JSON string that is not empty, or a number. As for claims,
// only the exact name counts: everyone in the room reads "id", and must read the same.
func presenceID(presence json.RawMessage) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(presence, &fields) != nil {
		return ""
	}
	var id any
	d := json.NewDecoder(bytes.NewReader(fields["id"]))
	d.UseNumber()
	if d.Decode(&id) != nil {
		return ""
	}
	switch id := id.(type) {
	case string:
		return id
	case json.Number:
		return id.String()
	}
	return ""
}

// TokenClaims is what MintToken puts into a token.
type TokenClaims struct {
	Channel  string          // a channel or pattern
	Pub, Sub bool            // what the token allows there
	Presence json.RawMessage // an object with at least "id", for presence channels; else nil
	Expires  time.Time       // zero for a token that never expires
	Issued   time.Time
}

// MintToken signs a token with key (HS256). The channel must be one that the key's tokens can grant.
func MintToken(key Key, t TokenClaims) (string, error) {
	if p, err := ParsePattern(t.Channel); err != nil || p.App() != key.App {
		return "", ErrInvalidChannel
	}
	c := claims{KeyID: string(key.ID), Channel: t.Channel, Presence: t.Presence, Issued: jwt.NewNumericDate(t.Issued)}
	if t.Pub {
		c.Pub = json.RawMessage(strconv.FormatBool(t.Pub))
	}
	if t.Sub {
		c.Sub = json.RawMessage(strconv.FormatBool(t.Sub))
	}
	if len(t.Presence) > 0 && presenceID(t.Presence) == "" {
		return "", ErrNoPresenceID
	}
	if !t.Expires.IsZero() {
		c.Expires = jwt.NewNumericDate(t.Expires)
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, &c).SignedString([]byte(key.Secret.Reveal()))
}
