package admin

import (
	"cmp"
	"context"
	"net/http"

	"github.com/pandapush/pandapush"
)

// connectionEnded is what the audit log says of a session that was ended by hand.
const connectionEnded = "connection.end"

func (s *Server) listConnections(c *call) error {
	q := newQuery(c)
	channelName, user := q.text("channel", pandapush.MaxChannelLength), q.text("user", 255)
	limit := int(q.number("limit", 1, 1000, 100))
	channel, err := pandapush.ParseChannel(channelName)
	if channelName != "" && (err != nil || channel.App() != c.app.ID) {
		q.problem("channel", "is no channel of this application")
	}
	if err := q.err(); err != nil {
		return err
	}
	progress, err := s.progress(c)
	if err != nil {
		return err
	}
	views := []connectionView{}
	var viewErr error
	complete, err := s.eachSession(c.r.Context(), c.app.ID, func(found session) bool {
		if channelName != "" && len(found.matching(channel)) == 0 || user != "" && !found.hasUser(user) {
			return true
		}
		var v connectionView
		if v, viewErr = progress.view(found); viewErr != nil {
			return false
		}
		views = append(views, v)
		return len(views) < limit
	})
	if err := cmp.Or(viewErr, err); err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"connections": views, "complete": complete})
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
