package pandapush

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// defaultLife is how long a token is valid if nothing is said.
const defaultLife = time.Hour

// TokenOptions say what a token allows.
type TokenOptions struct {
	Publish   bool
	Subscribe bool
	// Presence is who the bearer is: an object with an "id", needed to subscribe to a presence channel. Others in the room see it.
	Presence map[string]any
	// Life is how long the token is valid; an hour by default.
	Life time.Duration
}

// Token mints a token for a channel or a pattern, without asking the server. Hand it to a browser that may do what it allows.
func (c *Client) Token(channel string, options TokenOptions) (string, error) {
	if err := checkChannel(channel); err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	switch {
	case c.config.Secret == "":
		return "", errors.New("token: minting takes a client with a key")
	case !options.Publish && !options.Subscribe:
		return "", errors.New("token: it would allow neither publishing nor subscribing")
	case options.Life < 0:
		return "", errors.New("token: its life is negative")
	case options.Life == 0:
		options.Life = defaultLife
	}
	claims := map[string]any{"keyId": c.config.Key, "channel": channel, "exp": time.Now().Add(options.Life).Unix()}
	if options.Publish {
		claims["pub"] = true
	}
	if options.Subscribe {
		claims["sub"] = true
	}
	if options.Presence != nil {
		claims["presence"] = options.Presence
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("token: encode presence: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	content := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(text)
	mac := hmac.New(sha256.New, []byte(c.config.Secret))
	mac.Write([]byte(content)) // a hash takes everything
	return content + "." + encode(mac.Sum(nil)), nil
}
