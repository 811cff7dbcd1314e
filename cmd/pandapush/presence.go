package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/pandapush/pandapush"
)

type presenceCmd struct {
	List presenceListCmd `cmd:"" help:"List who is in a room, by asking a server."`
}

type presenceListCmd struct {
	remoteFlags
	Channel string `arg:"" help:"The presence channel, like /devapp/presence/room."`
	JSON    bool   `name:"json" variable:"-" help:"Print a JSON object: by the id of each member, what its token says of it."`
}

// roomPage is the server's answer.
type roomPage struct {
	Members map[string]json.RawMessage
	Next    string
}

// Run lists the members, from as many pages as there are. Who comes or goes meanwhile may be listed or not.
func (c *presenceListCmd) Run(env *environment) error {
	room, err := pandapush.ParsePlainChannel(c.Channel)
	if err == nil && room.Kind() != pandapush.Presence {
		err = fmt.Errorf("not a presence channel")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.Channel, err)
	}
	members := map[string]json.RawMessage{}
	for page, more := (roomPage{}), true; more; more = page.Next != "" {
		if page, err = c.page(env.ctx, room, page.Next); err != nil {
			return err
		}
		maps.Copy(members, page.Members)
	}
	if c.JSON {
		return printJSON(env.stdout, members)
	}
	return printTable(env.stdout, "ID\tPRESENCE", slices.Sorted(maps.Keys(members)), func(id string) []string {
		return []string{id, string(members[id])}
	})
}

// page asks for one page.
func (c *presenceListCmd) page(ctx context.Context, room pandapush.Channel, name string) (page roomPage, err error) {
	path := strings.Replace(room.String(), "/"+string(pandapush.Presence)+"/", "/", 1)
	if name != "" {
		path += "?" + url.Values{"page": {name}}.Encode()
	}
	_, answer, err := c.send(ctx, http.MethodGet, "/presence"+path, nil)
	if err != nil {
		return page, err
	}
	if err := json.Unmarshal(answer, &page); err != nil {
		return page, fmt.Errorf("the server's answer: %w", err)
	}
	return page, nil
}
