package main

import (
	"context"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/db"
)

type keyRotateCmd struct {
	storeFlags
	App     pandapush.AppID `arg:"" help:"The application's id."`
	Key     pandapush.KeyID `arg:"" help:"The key's id."`
	Overlap time.Duration   `variable:"-" default:"24h" placeholder:"TIME" help:"How long the current secret stays valid; 0s ends it at once."`
	JSON    bool            `name:"json" variable:"-" help:"Print a JSON object."`
}

// Run gives a key a new secret, and prints it.
func (c *keyRotateCmd) Run(env *environment) error {
	return c.change(env, func(ctx context.Context, d *db.DB) error {
		key, err := d.RotateKey(ctx, c.actor(), c.App, c.Key, c.Overlap)
		if err != nil {
			return absent(err, "key of "+string(c.App), c.Key)
		}
		return printSecret(env.stdout, key, c.JSON)
	})
}

type keyDeleteCmd struct {
	storeFlags
	App pandapush.AppID `arg:"" help:"The application's id."`
	Key pandapush.KeyID `arg:"" help:"The key's id."`
}

// Run deletes a key.
func (c *keyDeleteCmd) Run(env *environment) error {
	return c.change(env, func(ctx context.Context, d *db.DB) error {
		return absent(d.DeleteKey(ctx, c.actor(), c.App, c.Key), "key of "+string(c.App), c.Key)
	})
}
