package edge

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// revocation is a subscription that is to end, and why.
type revocation struct {
	session *session
	pattern pandapush.Pattern
	grant   pandapush.Grant
	why     error
}

// Revalidate ends the subscriptions that are no longer allowed: their application is gone or suspended, or the key that
// they were made with is revoked or gone. It is to be called when keys have changed, and returns at once.
func (e *Server) Revalidate() {
	var list []revocation
	for _, s := range e.all() {
		list = e.appendRefused(list, s)
	}
	e.revokeAll(list)
}

// recheck is Revalidate for a session that has just been added to those that it looks at. What was allowed before that may
// have ceased to be meanwhile, and nobody else would notice.
func (e *Server) recheck(s *session) { e.revokeAll(e.appendRefused(nil, s)) }

func (e *Server) appendRefused(list []revocation, s *session) []revocation {
	for _, sub := range s.subscriptions() {
		if why := e.refused(sub.grant); why != nil {
			list = append(list, revocation{s, sub.pattern, sub.grant, why})
		}
	}
	return list
}

// refused returns why a grant that was once given would not be given now, or nil. Its expiry is another matter: by itself
// that does not end a subscription. A page that was let in with a short-lived token stays, as it does with the Node version,
// whose clients have no way to renew it.
func (e *Server) refused(grant pandapush.Grant) error {
	if !e.cfg.Keys.HasApp(grant.App) {
		return pandapush.ErrUnknownApp
	}
	if e.cfg.Keys.Settings(grant.App).Suspended {
		return pandapush.ErrSuspended
	}
	if grant.Key == "" {
		return nil
	}
	key, ok := e.cfg.Keys.Key(grant.App, grant.Key)
	if !ok {
		return pandapush.ErrUnknownKey
	}
	if !key.RevokedAt.IsZero() {
		return key.Usable(e.cfg.Now())
	}
	return nil
}

// lapsed reports whether a grant has expired.
func lapsed(grant pandapush.Grant, now time.Time) bool {
	return !grant.Expires.IsZero() && !now.Before(grant.Expires)
}

// grantLocked sets the grant of one of the session's subscriptions.
func (s *session) grantLocked(sub *subscription, grant pandapush.Grant) {
	sub.grant = grant
	if s.expiry || s.server.cfg.EnforceExpiry {
		s.lapses = earlier(s.lapses, grant.Expires)
	}
}

// earlier returns the earlier of two moments, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// appendLapsed appends the session's subscriptions that have to end because their grants have expired.
func (s *session) appendLapsed(list []revocation, now time.Time) []revocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lapses.IsZero() || now.Before(s.lapses) || s.ended {
		return list
	}
	s.lapses = time.Time{}
	for _, sub := range s.subs {
		if lapsed(sub.grant, now) {
			list = append(list, revocation{s, sub.pattern, sub.grant, pandapush.ErrExpiredToken})
		} else {
			s.lapses = earlier(s.lapses, sub.grant.Expires)
		}
	}
	return list
}

// takeRefused takes from a stored session what is no longer allowed: nobody looked after it while it was not attached.
func (e *Server) takeRefused(record *pandapush.Session) (gone []revocation) {
	for text, sub := range record.Subscriptions {
		why := e.refused(sub.Grant)
		if why == nil && (record.Expiry || e.cfg.EnforceExpiry) && lapsed(sub.Grant, e.cfg.Now()) {
			why = pandapush.ErrExpiredToken
		}
		if why == nil {
			continue
		}
		delete(record.Subscriptions, text)
		if pattern, err := pandapush.ParsePattern(text); err == nil {
			gone = append(gone, revocation{pattern: pattern, grant: sub.Grant, why: why})
		}
	}
	return gone
}

// revokers is how many subscriptions are ended at a time.
const revokers = 64

// revokeAll ends subscriptions, and returns at once.
func (e *Server) revokeAll(list []revocation) {
	if len(list) == 0 {
		return
	}
	e.background(func() {
		var g errgroup.Group
		g.SetLimit(revokers)
		for _, r := range list {
			g.Go(func() error {
				e.revoke(e.ctx, r)
				return nil
			})
		}
		_ = g.Wait() // they never return an error
	})
}

// revoke ends one subscription, unless it has been renewed meanwhile, and tells the client with an unsubscribe reply that it
// did not ask for. Faye's clients pass over it; ours and CometD's hand it to whoever listens for it. It is told last: a
// client that subscribes again at once is to find the record as it stays.
func (e *Server) revoke(ctx context.Context, r revocation) {
	s, pattern := r.session, r.pattern
	if s.follower { // it ends with the first of its subscriptions
		e.dismiss(s, r.why)
		return
	}
	if s.renewed(pattern, r.grant) {
		return
	}
	e.exclude(s, pattern)
	e.leaveRooms(ctx, s.id, pattern.String())
	e.stats.revoked.Inc()
	if _, _, err := e.cfg.Records.ChangeSubscriptions(ctx, s.id, nil, []string{pattern.String()}, e.cfg.Limits.Subscriptions); err != nil {
		e.cfg.Log.Debug("revoked subscription not removed from its record", "error", err) // it is refused when it is read again
	}
	s.tell(&delivery{wire: bayeux.AppendRevocation(nil, s.id, pattern.String(), r.why, s.revocationAdvice(r.why))})
}

// renewed reports whether a session's subscription has another grant by now.
func (s *session) renewed(pattern pandapush.Pattern, grant pandapush.Grant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subs.find(pattern.String())
	return sub != nil && (sub.grant.Key != grant.Key || !sub.grant.Expires.Equal(grant.Expires))
}

// revocationAdvice has a client whose token has expired begin anew, for then it asks the page for another token. One that
// wanted to be told renews the one subscription, and needs no advice.
func (s *session) revocationAdvice(why error) bayeux.Advice {
	if why != pandapush.ErrExpiredToken || s.expiry { //nolint:errorlint // the constant itself, never wrapped
		return bayeux.Advice{}
	}
	return bayeux.HandshakeAdvice(bayeux.MinRefusalInterval)
}
