package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/db"
)

type tokenCmd struct {
	storeFlags
	Channel  string          `arg:"" help:"Channel or pattern that the token is for, like /devapp/private/**."`
	Key      pandapush.KeyID `required:"" variable:"PANDAPUSH_KEY" placeholder:"ID" help:"Key to sign with."`
	Secret   secret          `variable:"PANDAPUSH_SECRET" placeholder:"TEXT" help:"The key's secret. Default: look it up in the database."`
	Pub      bool            `variable:"-" help:"Allow publishing."`
	Sub      bool            `variable:"-" help:"Allow subscribing."`
	Presence string          `variable:"-" placeholder:"JSON" help:"Who the bearer is, for presence channels: an object with an id."`
	Expires  span            `variable:"-" default:"1h" placeholder:"TIME" help:"After how long it expires."`
}

// Run prints a token.
func (c *tokenCmd) Run(env *environment) error {
	pattern, err := pandapush.ParsePattern(c.Channel)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Channel, err)
	}
	if !c.Pub && !c.Sub {
		return errors.New("a token that allows nothing: give --pub, --sub or both")
	}
	if c.Presence != "" && !json.Valid([]byte(c.Presence)) {
		return errors.New("--presence is not valid JSON")
	}
	key := pandapush.Key{ID: c.Key, App: pattern.App(), Secret: pandapush.Secret(c.Secret)}
	if c.Secret == "" {
		err := c.withDB(env, func(ctx context.Context, d *db.DB) (err error) {
			if key, err = d.Key(ctx, pattern.App(), c.Key); err != nil {
				return absent(err, "key of "+string(pattern.App()), c.Key)
			}
			if err := key.Usable(time.Now()); err != nil {
				return fmt.Errorf("key %s: %w", c.Key, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	now := time.Now()
	claims := pandapush.TokenClaims{Channel: c.Channel, Pub: c.Pub, Sub: c.Sub, Issued: now, Expires: now.Add(time.Duration(c.Expires))}
	if c.Presence != "" {
		claims.Presence = json.RawMessage(c.Presence)
	}
	token, err := pandapush.MintToken(key, claims)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.stdout, token)
	return err
}
