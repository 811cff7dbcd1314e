package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
)

type sessionsCmd struct {
	List sessionsListCmd `cmd:"" help:"List the sessions of all nodes. It looks at every key of every Redis."`
	Kick sessionsKickCmd `cmd:"" help:"End a session: its client is disconnected and has to start over."`
}

// sessionFlags say where sessions are.
type sessionFlags struct {
	dataFlags
	redisFlags
}

// withStreams runs do on the Redis of the running servers.
func (f sessionFlags) withStreams(env *environment, do func(ctx context.Context, s *streams.Streams) error) error {
	s, ok, err := f.openStreams(env.ctx, env, f.dataFlags)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("no Redis is configured here, and no server with an embedded one runs on this data folder")
	}
	return errors.Join(do(env.ctx, s), s.Close())
}

type sessionsListCmd struct {
	sessionFlags
	App  pandapush.AppID `variable:"-" placeholder:"ID" help:"Only those that subscribe to channels of this application."`
	JSON bool            `name:"json" variable:"-" help:"Print a JSON array."`
}

// sessionJSON is a session as --json prints it. The id is the client's secret; whoever may read Redis may see it.
type sessionJSON struct {
	ID            string            `json:"id"`
	Node          string            `json:"node"`
	Attached      bool              `json:"attached"`
	Transport     string            `json:"transport"`  // "" if it is not known
	UserAgent     string            `json:"user_agent"` // "" if it is not known
	Created       time.Time         `json:"created_at"`
	TTL           int               `json:"ttl_seconds"`
	Subscriptions []string          `json:"subscriptions"`
	Cursors       map[string]string `json:"cursors"`
}

// Run lists the sessions.
func (c *sessionsListCmd) Run(env *environment) error {
	return c.withStreams(env, func(ctx context.Context, s *streams.Streams) error {
		list := []sessionJSON{}
		err := s.ListSessions(ctx, func(id string, session pandapush.Session, ttl time.Duration) bool {
			if _, wanted := session.Cursors[c.App]; wanted || c.App == "" {
				list = append(list, sessionView(id, session, ttl))
			}
			return true
		})
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b sessionJSON) int { return strings.Compare(a.ID, b.ID) })
		list = slices.CompactFunc(list, func(a, b sessionJSON) bool { return a.ID == b.ID }) // a listing may name one twice
		if c.JSON {
			return printJSON(env.stdout, list)
		}
		return printTable(env.stdout, "SESSION\tNODE\tATTACHED\tTRANSPORT\tCREATED\tTTL\tSUBSCRIPTIONS", list, func(s sessionJSON) []string {
			return []string{
				s.ID, s.Node, fmt.Sprint(s.Attached), cmp.Or(s.Transport, "-"), date(s.Created, "-"), fmt.Sprintf("%ds", s.TTL), strings.Join(s.Subscriptions, " "),
			}
		})
	})
}

func sessionView(id string, s pandapush.Session, ttl time.Duration) sessionJSON {
	view := sessionJSON{
		ID: id, Node: s.Owner, Attached: s.Attached, Transport: s.Transport, UserAgent: s.UserAgent, Created: s.Created, TTL: int(ttl.Seconds()),
		Subscriptions: slices.Sorted(maps.Keys(s.Subscriptions)), Cursors: map[string]string{},
	}
	if view.Subscriptions == nil {
		view.Subscriptions = []string{}
	}
	for app, cursor := range s.Cursors {
		view.Cursors[string(app)] = cursor.String()
	}
	return view
}

type sessionsKickCmd struct {
	sessionFlags
	Session string `arg:"" help:"The session's id, as the list shows it."`
}

// Run ends a session.
func (c *sessionsKickCmd) Run(env *environment) error {
	return c.withStreams(env, func(ctx context.Context, s *streams.Streams) error {
		owner, attached, err := s.EndSession(ctx, c.Session)
		if errors.Is(err, pandapush.ErrNotFound) {
			return errors.New("there is no such session")
		}
		if err != nil || !attached {
			return err
		}
		return s.Send(ctx, owner, pandapush.Mail{Kind: pandapush.MailEnded, Session: c.Session})
	})
}
