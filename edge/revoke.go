package edge

import (
	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// Revalidate ends the subscriptions that are no longer allowed: their application is gone, or the key that they were made
// with is revoked or gone. It is to be called when keys have changed, and returns at once.
//
// A grant's expiry does not end it: a page that was let in with a short-lived token stays, as it does with the Node
// version, whose clients have no way to renew it.
func (e *Server) Revalidate() {
	e.background(func() {
		for _, s := range e.sessions.list() {
			for _, sub := range s.subscriptions() {
				if why := e.stillAllowed(sub.grant); why != nil {
					e.revoke(s, sub.pattern, why)
				}
			}
		}
	})
}

// stillAllowed returns why a grant that was once given would not be given now, or nil.
func (e *Server) stillAllowed(grant pandapush.Grant) error {
	if !e.cfg.Keys.HasApp(grant.App) {
		return pandapush.ErrUnknownApp
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

// revoke ends one subscription, and tells the client with an unsubscribe reply that it did not ask for. Faye's clients
// pass over it; ours and CometD's hand it to whoever listens for it.
func (e *Server) revoke(s *session, pattern pandapush.Pattern, why error) {
	e.exclude(s, pattern)
	e.stats.revoked.Inc()
	s.tell(bayeux.AppendRevocation(nil, s.id, pattern.String(), why))
	if _, _, err := e.cfg.Records.ChangeSubscriptions(e.ctx, s.id, nil, []string{pattern.String()}, e.cfg.Limits.Subscriptions); err != nil {
		e.cfg.Log.Debug("revoked subscription not removed from its record", "err", err) // it is looked at again when it is read
	}
}
