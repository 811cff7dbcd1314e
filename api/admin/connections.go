package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/pandapush/pandapush"
)

// connectionEnded is what the audit log says of a session that was ended by hand.
const connectionEnded = "connection.end"

func (s *Server) listConnections(c *call) error {
	q := newQuery(c)
	channelName, user := q.text("channel", pandapush.MaxChannelLength), q.text("user", 255)
	limit, after := int(q.number("limit", 1, 1000, 100)), q.text("after", 1024)
	channel, err := pandapush.ParseChannel(channelName)
	if channelName != "" && (err != nil || channel.App() != c.app.ID) {
		q.problem("channel", "is no channel of this application")
	}
	before, ok := s.cfg.Handles.Open(after)
	if after != "" && !ok {
		q.problem("after", "is not from here")
	}
	if err := q.err(); err != nil {
		return err
	}
	progress, err := s.progress(c)
	if err != nil {
		return err
	}
	page := sessionPage{after: string(before), size: limit}
	complete, err := s.eachSession(c.r.Context(), c.app.ID, func(found session) bool {
		if (channelName == "" || len(found.matching(channel)) > 0) && (user == "" || found.hasUser(user)) {
			page.add(found)
		}
		return true
	})
	if err != nil {
		return err
	}
	answer := connectionPage{Connections: []connectionView{}, Total: page.total, Complete: complete}
	sessions, more := page.cut()
	for _, f := range sessions {
		v, err := progress.view(f)
		if err != nil {
			return err
		}
		answer.Connections = append(answer.Connections, v)
	}
	if more {
		answer.Next = &answer.Connections[limit-1].ID
	}
	for _, n := range s.cfg.Live.Followers(c.app.ID) {
		answer.EventStreams += n.Connections
	}
	return c.reply(http.StatusOK, answer)
}

// connectionPage is a page of the connections that match.
type connectionPage struct {
	Connections  []connectionView `json:"connections"`
	Next         *string          `json:"next"`     // the last of them, if there are more
	Total        int              `json:"total"`    // on all pages
	Complete     bool             `json:"complete"` // false if there was no time to look at all sessions
	EventStreams int64            `json:"event_streams"`
}

// sessionPage finds a page among sessions that come in no order. It keeps few of them at a time.
type sessionPage struct {
	after string // id before the page; they are sorted by id, which says nothing, but does not change
	size  int
	total int

	found []session
}

func (p *sessionPage) add(f session) {
	p.total++
	if f.id <= p.after {
		return
	}
	if p.found = append(p.found, f); len(p.found) > 2*p.size {
		p.cut()
	}
}

// cut returns the page as far as it is known, and whether there is something after it.
func (p *sessionPage) cut() (page []session, more bool) {
	slices.SortFunc(p.found, func(a, b session) int { return cmp.Compare(a.id, b.id) })
	p.found = p.found[:min(len(p.found), p.size+1)]
	return p.found[:min(len(p.found), p.size)], len(p.found) > p.size
}

// endConnection ends a session that subscribes to channels of the application, whatever else it subscribes to.
func (s *Server) endConnection(c *call) error {
	id, ok := s.cfg.Handles.Open(c.param("connectionId"))
	if !ok {
		return pandapush.ErrNotFound
	}
	ctx := c.r.Context()
	found, _, err := s.cfg.Sessions.Session(ctx, string(id))
	if err != nil {
		return err
	}
	if len(ofApp(c.app.ID, found)) == 0 {
		return pandapush.ErrNotFound
	}
	if err := s.endSession(ctx, string(id)); err != nil {
		return err
	}
	ended := pandapush.Change{By: c.user.Name, Action: connectionEnded, App: c.app.ID, Before: pandapush.Fields{"node": found.Owner}}
	if err := s.cfg.Store.Record(ctx, ended); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// endSession removes a session's record and tells the node that has its socket.
func (s *Server) endSession(ctx context.Context, id string) error {
	owner, attached, err := s.cfg.Sessions.EndSession(ctx, id)
	if err != nil || !attached {
		return err
	}
	return s.cfg.Sessions.Send(ctx, owner, pandapush.Mail{Kind: pandapush.MailEnded, Session: id})
}
