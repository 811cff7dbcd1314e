package admin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/pandapush/pandapush"
)

const (
	// scanTime bounds a look at all sessions. What is not seen by then is not.
	scanTime = 2 * time.Second
	// maxScans is how many of them may look at the same time: each makes Redis read every session.
	maxScans = 2
)

// session is one that subscribes to channels of an application.
type session struct {
	id string // the client id: whoever knows it controls the session, so it is shown to nobody
	pandapush.Session
	ttl           time.Duration
	subscriptions map[string]pandapush.Subscription // of that application alone
}

// eachSession calls visit for every session with subscriptions of an application, each once, until visit returns false. It
// takes at most scanTime; complete says whether that was enough.
func (s *Server) eachSession(ctx context.Context, app pandapush.AppID, visit func(session) bool) (complete bool, err error) {
	limited, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	select {
	case s.scans <- struct{}{}:
		defer func() { <-s.scans }()
	case <-limited.Done():
		return false, ctx.Err()
	}
	seen := map[string]bool{}
	complete = true
	err = s.cfg.Sessions.ListSessions(limited, func(id string, stored pandapush.Session, ttl time.Duration) bool {
		found := session{id, stored, ttl, ofApp(app, stored)}
		if len(found.subscriptions) == 0 || seen[id] {
			return true
		}
		seen[id] = true
		complete = visit(found)
		return complete
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return false, nil
	}
	return complete, err
}

// ofApp returns a session's subscriptions to channels of one application.
func ofApp(app pandapush.AppID, s pandapush.Session) map[string]pandapush.Subscription {
	subs := map[string]pandapush.Subscription{}
	for pattern, sub := range s.Subscriptions {
		if p, err := pandapush.ParsePattern(pattern); err == nil && p.App() == app {
			subs[pattern] = sub
		}
	}
	return subs
}

// matching returns the patterns by which the session gets what is published on a channel.
func (f session) matching(channel pandapush.Channel) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(f.subscriptions)), func(pattern string) bool {
		p, err := pandapush.ParsePattern(pattern)
		return err != nil || !p.Matches(channel)
	})
}

// beganBefore says whether one of the subscriptions with these patterns is for what was published at a place: it began before it.
func (f session) beganBefore(patterns []string, at pandapush.Cursor) result {
	late := stepFailed
	for _, pattern := range patterns {
		switch began := f.subscriptions[pattern].Began; {
		case began.Epoch != at.Epoch:
			late = stepUnknown
		case began.Position.Compare(at.Position) < 0:
			return stepOK
		}
	}
	return late
}

// hasUser reports whether one of the subscriptions was made as that presence id.
func (f session) hasUser(user string) bool {
	for _, sub := range f.subscriptions {
		if sub.Grant.User == user {
			return true
		}
	}
	return false
}

// connectionView is a session as the API shows it.
type connectionView struct {
	ID            string             `json:"id"`
	Node          string             `json:"node"`
	Transport     *string            `json:"transport"`
	UserAgent     *string            `json:"user_agent"`
	Attached      bool               `json:"attached"`
	CreatedAt     *string            `json:"created_at"`
	ExpiresIn     int64              `json:"expires_in"` // seconds
	Cursor        *string            `json:"cursor"`
	Lag           *float64           `json:"lag"` // seconds
	Subscriptions []subscriptionView `json:"subscriptions"`
}

type subscriptionView struct {
	Pattern string  `json:"pattern"`
	Key     *string `json:"key"`
	User    *string `json:"user"`
	Expires *string `json:"expires"`
}

// progress knows how far the sessions of one application have got, for one request.
type progress struct {
	ctx   context.Context //nolint:containedctx // lives as long as the request
	s     *Server
	app   pandapush.AppID
	span  pandapush.Span
	nodes map[string]pandapush.Cursor // what each node has handed out
}

func (s *Server) progress(c *call) (*progress, error) {
	span, err := s.cfg.Stream.Span(c.r.Context(), c.app.ID)
	return &progress{c.r.Context(), s, c.app.ID, span, map[string]pandapush.Cursor{}}, err
}

// of returns how far a session has got. One that keeps up goes by what its node has handed out, which is written down about
// once a second.
func (p *progress) of(f session) (cursor pandapush.Cursor, err error) {
	cursor = f.Cursors[p.app]
	if !f.Attached || f.Behind {
		return cursor, nil
	}
	at, known := p.nodes[f.Owner]
	if !known {
		all, err := p.s.cfg.Sessions.Position(p.ctx, f.Owner, []pandapush.AppID{p.app})
		if err != nil {
			return cursor, err
		}
		at = all[p.app]
		p.nodes[f.Owner] = at
	}
	if at.Epoch == cursor.Epoch && at.Position.Compare(cursor.Position) > 0 {
		cursor = at
	}
	return cursor, nil
}

// lag returns how many seconds of the stream are still to come for who got to a cursor; nil if that is of another stream.
func (p *progress) lag(at pandapush.Cursor) *float64 {
	if at.Epoch != p.span.Epoch {
		return nil
	}
	seconds := 0.0
	if p.span.Last.Compare(at.Position) > 0 {
		seconds = float64(p.span.Last.Millis-min(at.Position.Millis, p.span.Last.Millis)) / 1000
	}
	return &seconds
}

// view shows a session.
func (p *progress) view(f session) (connectionView, error) {
	cursor, err := p.of(f)
	if err != nil {
		return connectionView{}, err
	}
	v := connectionView{
		ID: p.s.cfg.Handles.Handle(f.id), Node: f.Owner, Attached: f.Attached, CreatedAt: moment(f.Created),
		ExpiresIn: int64(f.ttl.Seconds()),
		Transport: orNull(f.Transport), UserAgent: orNull(f.UserAgent), Lag: p.lag(cursor), Subscriptions: []subscriptionView{},
	}
	if cursor != (pandapush.Cursor{}) {
		v.Cursor = orNull(cursor.String())
	}
	for _, pattern := range slices.Sorted(maps.Keys(f.subscriptions)) {
		grant := f.subscriptions[pattern].Grant
		v.Subscriptions = append(v.Subscriptions, subscriptionView{pattern, orNull(grant.Key), orNull(grant.User), moment(grant.Expires)})
	}
	return v, nil
}
