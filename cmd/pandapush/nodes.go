package main

import (
	"context"
	"fmt"
	"time"

	"github.com/pandapush/pandapush/api/admin/live"
	"github.com/pandapush/pandapush/streams"
)

type nodesCmd struct {
	List nodesListCmd `cmd:"" help:"List the nodes that run: their versions, what they carry, and which are draining."`
}

type nodesListCmd struct {
	sessionFlags
	JSON bool `name:"json" variable:"-" help:"Print a JSON array."`
}

// nodeJSON is a node as --json prints it. Numbers are of the last five seconds.
type nodeJSON struct {
	ID       string    `json:"id"`
	Version  string    `json:"version"`
	Host     string    `json:"host"`
	Started  time.Time `json:"started_at"`
	Seen     time.Time `json:"seen_at"`
	Draining bool      `json:"draining"`
	live.Numbers
}

// Run lists the nodes.
func (c *nodesListCmd) Run(env *environment) error {
	return c.withStreams(env, func(ctx context.Context, s *streams.Streams) error {
		shares, err := s.Shares(ctx)
		if err != nil {
			return err
		}
		list := []nodeJSON{}
		for _, n := range live.NodesIn(shares) {
			list = append(list, nodeJSON{n.ID, n.Version, n.Host, n.Started, n.Seen, n.Draining, n.Numbers})
		}
		if c.JSON {
			return printJSON(env.stdout, list)
		}
		return printTable(env.stdout, "NODE\tHOST\tVERSION\tSTARTED\tSTATE\tCONNECTIONS\tSUBSCRIPTIONS", list, func(n nodeJSON) []string {
			state := "running"
			if n.Draining {
				state = "draining"
			}
			return []string{n.ID, n.Host, n.Version, date(n.Started, "-"), state, fmt.Sprint(n.Connections), fmt.Sprint(n.Subscriptions)}
		})
	})
}
