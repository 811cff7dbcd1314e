package edge

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// subscribe answers a /meta/subscribe: all of its channels or none.
func (x *exchange) subscribe(m *bayeux.Message) {
	s, known := x.session(m)
	patterns, grants, denied := x.authorizeAll(m)
	err := bayeux.CheckSubscribe(m, known, denied)
	if err == nil {
		err = x.subscribeAll(s, patterns, grants)
	}
	if errors.Is(err, errSessionEnded) {
		err = bayeux.CheckSubscribe(m, false, denied)
	}
	x.answer("subscribe", bayeux.Reply{To: m, Err: x.explain(err)})
}

// authorizeAll decides on every channel that m names, and stops at the first that is denied.
func (x *exchange) authorizeAll(m *bayeux.Message) ([]pandapush.Pattern, []pandapush.Grant, error) {
	cred := m.Credential()
	var patterns []pandapush.Pattern
	var grants []pandapush.Grant
	for _, name := range m.Subscriptions() {
		pattern, err := pandapush.ParsePattern(name)
		if err != nil {
			return nil, nil, err
		}
		grant, err := pandapush.Authorize(x.server.cfg.Keys, cred, pandapush.Subscribe, pattern, x.server.cfg.Now())
		if err != nil {
			return nil, nil, err
		}
		patterns, grants = append(patterns, pattern), append(grants, grant)
	}
	return patterns, grants, nil
}

// subscribeAll adds the session under each pattern. If one fails, those that were added before it are taken back.
func (x *exchange) subscribeAll(s *session, patterns []pandapush.Pattern, grants []pandapush.Grant) error {
	var added []pandapush.Pattern
	for i, pattern := range patterns {
		isNew, err := x.server.hub.subscribe(x.ctx, s, pattern, grants[i])
		if err != nil {
			for _, undo := range added {
				x.server.hub.unsubscribe(s, undo)
			}
			return err
		}
		if isNew {
			added = append(added, pattern)
		}
		if grants[i].Key != "" {
			x.server.cfg.Keys.Used(grants[i].App, grants[i].Key)
		}
	}
	return nil
}

// unsubscribe answers a /meta/unsubscribe. What was never subscribed may be given up.
func (x *exchange) unsubscribe(m *bayeux.Message) {
	s, known := x.session(m)
	err := bayeux.CheckUnsubscribe(m, known)
	if err == nil {
		for _, name := range m.Subscriptions() {
			if pattern, err := pandapush.ParsePattern(name); err == nil && s.subscribes(pattern) {
				x.server.hub.unsubscribe(s, pattern)
			}
		}
	}
	x.answer("unsubscribe", bayeux.Reply{To: m, Err: err})
}

// publish answers a message on a channel: it is acknowledged when the stream has it (P5). Neither a session nor a client
// id is needed, and a wrong one does no harm.
func (x *exchange) publish(m *bayeux.Message) {
	channel, grant, denied := x.authorizePublish(m)
	err := bayeux.CheckPublish(m, denied)
	if err == nil && len(m.Data) > x.server.cfg.Limits.DataBytes {
		err = pandapush.ErrMessageTooLarge
	}
	if err == nil {
		var cursor pandapush.Cursor
		cursor, err = x.server.cfg.Stream.Append(x.ctx, pandapush.Message{
			Channel: channel,
			Data:    bytes.Clone(m.Data), // the frame's buffer may be used again before a cancelled append is over
		})
		if err == nil {
			x.published, x.apps = append(x.published, cursor), append(x.apps, channel.App())
			x.server.cfg.Keys.Used(grant.App, grant.Key)
		}
	}
	if errors.Is(err, pandapush.ErrUnavailable) {
		x.logFailure("publish", err)
		err = fmt.Errorf("%w: %w", bayeux.PublishFailed(m.Channel.Text()), err)
	}
	x.answer("publish", bayeux.Reply{To: m, Err: err})
}

// authorizePublish decides whether m may be published.
func (x *exchange) authorizePublish(m *bayeux.Message) (pandapush.Channel, pandapush.Grant, error) {
	channel, err := pandapush.ParseChannel(m.Channel.Text())
	if err != nil {
		return pandapush.Channel{}, pandapush.Grant{}, err
	}
	grant, err := pandapush.Authorize(x.server.cfg.Keys, m.Credential(), pandapush.Publish, channel.Pattern(), x.server.cfg.Now())
	return channel, grant, err
}

// explain turns what went wrong inside into what the client is told, and logs what only we can mend.
func (x *exchange) explain(err error) error {
	var refusal pandapush.Refusal
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	x.logFailure("subscribe", err)
	return fmt.Errorf("%w: %w", bayeux.InternalError, err)
}

// logFailure notes a failure that is ours. While Redis is away there are many, and its reader has said so once.
func (x *exchange) logFailure(operation string, err error) {
	if errors.Is(err, pandapush.ErrUnavailable) || x.ctx.Err() != nil {
		x.server.cfg.Log.Debug("request failed", "operation", operation, "err", err)
		return
	}
	x.server.cfg.Log.Error("request failed", "operation", operation, "err", err)
}
