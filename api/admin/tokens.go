package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/pandapush/pandapush"
)

const (
	consolePurpose = "web console" // of the key that the console's tokens are signed with
	consoleYears   = 10            // until it expires

	tokenLife   = time.Hour // unless the request says something else
	tokenMinted = "token.mint"
)

// mintConsoleToken mints with the application's key for that, made if need be.
func (s *Server) mintConsoleToken(c *call) error {
	claims, err := s.tokenClaims(c)
	if err != nil {
		return err
	}
	key, err := s.cfg.Store.ConsoleKey(c.r.Context(), c.user.Name, c.app.ID, consolePurpose, consoleYears)
	if err != nil {
		return err
	}
	if _, known := s.cfg.Keys.Key(c.app.ID, key.ID); !known { // it has just been made
		s.cfg.Changed(c.r.Context())
	}
	return s.replyToken(c, key, claims)
}

func (s *Server) mintToken(c *call) error {
	claims, err := s.tokenClaims(c)
	if err != nil {
		return err
	}
	key, err := s.cfg.Store.Key(c.r.Context(), c.app.ID, c.keyID())
	if err != nil {
		return ofKey(err)
	}
	return s.replyToken(c, key, claims)
}

// tokenClaims reads what a token is to say.
func (s *Server) tokenClaims(c *call) (pandapush.TokenClaims, error) {
	body, err := decode[struct {
		Channel  string          `json:"channel"`
		Pub      *bool           `json:"pub"`
		Sub      *bool           `json:"sub"`
		Presence json.RawMessage `json:"presence"`
		Expires  *string         `json:"expires"`
	}](c)
	if err != nil {
		return pandapush.TokenClaims{}, err
	}
	now := s.cfg.Now()
	claims := pandapush.TokenClaims{Channel: body.Channel, Presence: body.Presence, Issued: now, Expires: now.Add(tokenLife)}
	claims.Pub, claims.Sub = body.Pub != nil && *body.Pub, body.Sub != nil && *body.Sub
	if string(body.Presence) == "null" {
		claims.Presence = nil
	}
	if body.Expires != nil {
		if claims.Expires, err = s.future("expires", *body.Expires); err != nil {
			return pandapush.TokenClaims{}, err
		}
	}
	return claims, nil
}

// replyToken mints a token and writes down that it did.
func (s *Server) replyToken(c *call, key pandapush.Key, claims pandapush.TokenClaims) error {
	if err := key.Usable(claims.Issued); err != nil {
		return err // the token would be refused wherever it is used
	}
	token, err := pandapush.MintToken(key, claims)
	switch {
	case errors.Is(err, pandapush.ErrInvalidChannel):
		return invalid("channel", "is no channel or pattern of this application")
	case errors.Is(err, pandapush.ErrNoPresenceID):
		return invalid("presence", "must be an object with an id")
	case err != nil:
		return err
	}
	minted := pandapush.Change{
		By: c.user.Name, Action: tokenMinted, App: c.app.ID, Target: string(key.ID),
		After: pandapush.Fields{"channel": claims.Channel, "pub": claims.Pub, "sub": claims.Sub, "expires": moment(claims.Expires)},
	}
	if err := s.cfg.Store.Record(c.r.Context(), minted); err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]string{"token": token})
}
