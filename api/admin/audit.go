package admin

import (
	"math"
	"net/http"

	"github.com/pandapush/pandapush"
)

// changeView is a change as the API shows it.
type changeView struct {
	ID     int64            `json:"id"`
	At     string           `json:"at"`
	By     string           `json:"by"`
	Action string           `json:"action"`
	App    *string          `json:"application_id"`
	Target *string          `json:"target"`
	Before pandapush.Fields `json:"before"`
	After  pandapush.Fields `json:"after"`
}

// listChanges lists those of the application in the path, or of all that the user sees.
func (s *Server) listChanges(c *call) error {
	q := newQuery(c)
	wanted := pandapush.AuditQuery{
		App: c.app.ID, By: q.text("by", 255), Action: q.text("action", 255),
		Before: q.number("before", 1, math.MaxInt64, 0), Limit: int(q.number("limit", 1, 500, 100)),
	}
	if err := q.err(); err != nil {
		return err
	}
	if !c.user.SeesAll() {
		wanted.User = c.user.Name
	}
	changes, err := s.cfg.Store.Audit(c.r.Context(), wanted)
	if err != nil {
		return err
	}
	views := make([]changeView, len(changes))
	var next *int64
	for i, ch := range changes {
		views[i] = changeView{ch.ID, instant(ch.At), ch.By, ch.Action, orNull(ch.App), orNull(ch.Target), ch.Before, ch.After}
		if i+1 == wanted.Limit {
			next = &views[i].ID
		}
	}
	return c.reply(http.StatusOK, map[string]any{"changes": views, "next": next})
}
