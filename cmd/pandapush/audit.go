package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/db"
)

type auditCmd struct {
	List auditListCmd `cmd:"" help:"List who changed what, the newest first."`
}

type auditListCmd struct {
	storeFlags
	App    pandapush.AppID `variable:"-" placeholder:"ID" help:"Only changes of this application."`
	By     string          `variable:"-" placeholder:"USER" help:"Only changes by this user."`
	Action string          `variable:"-" placeholder:"TEXT" help:"Only this action, like key.revoke, or those that begin with it and a dot, like key."`
	Before int64           `variable:"-" placeholder:"ID" help:"Only changes before this one: the next page."`
	Limit  count           `variable:"-" default:"100" help:"Largest number of changes."`
	JSON   bool            `name:"json" variable:"-" help:"Print a JSON array."`
}

// changeJSON is a change as --json prints it.
type changeJSON struct {
	ID     int64            `json:"id"`
	At     time.Time        `json:"at"`
	By     string           `json:"by"`
	Action string           `json:"action"`
	App    pandapush.AppID  `json:"application_id"`
	Target string           `json:"target"`
	Before pandapush.Fields `json:"before"`
	After  pandapush.Fields `json:"after"`
}

// Run lists changes.
func (c *auditListCmd) Run(env *environment) error {
	return c.withDB(env, func(ctx context.Context, d *db.DB) error {
		changes, err := d.Audit(ctx, pandapush.AuditQuery{App: c.App, By: c.By, Action: c.Action, Before: c.Before, Limit: int(c.Limit)})
		if err != nil {
			return err
		}
		if c.JSON {
			views := make([]changeJSON, len(changes))
			for i, ch := range changes {
				views[i] = changeJSON(ch)
			}
			return printJSON(env.stdout, views)
		}
		return printTable(env.stdout, "AT\tBY\tACTION\tAPPLICATION\tTARGET\tNOW", changes, func(ch pandapush.Change) []string {
			now := "-"
			if text, err := json.Marshal(ch.After); err == nil && ch.After != nil {
				now = string(text)
			}
			return []string{date(ch.At, "-"), ch.By, ch.Action, string(ch.App), ch.Target, now}
		})
	})
}
