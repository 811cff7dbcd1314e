package edge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// subscribe answers a /meta/subscribe: all of its channels or none. It changes the record, and the session where that is
// attached, here or elsewhere.
func (x *exchange) subscribe(m *bayeux.Message) {
	patterns, grants, denied := x.authorizeAll(m)
	err := bayeux.CheckSubscribe(m, x.known(m, denied), denied)
	var starts []bayeux.Start
	if err == nil {
		starts, err = x.subscribeAll(m, patterns, grants)
	}
	if errors.Is(err, pandapush.ErrNotFound) {
		err = bayeux.CheckSubscribe(m, false, denied)
	}
	r := bayeux.Reply{To: m, Err: x.explain("subscribe", err)}
	if err == nil && len(starts) > 0 {
		r.Ext = bayeux.AppendStarts(nil, starts, m.Array())
	}
	x.answer("subscribe", r)
	if err == nil {
		for _, start := range starts {
			x.server.turnovers.add(start.Pattern, 1, 0)
		}
		x.tellChannels(starts)
	}
}

// known reports whether the session that m names may exist. It is asked for only if something else is wrong already: an
// unknown session outweighs that, and otherwise whoever changes the record finds out.
func (x *exchange) known(m *bayeux.Message, denied error) bool {
	id := m.ClientID.Text()
	return bayeux.ValidClientID(id) && (denied == nil || x.exists(id))
}

// exists reports whether there is, or at least may be, a session of that name.
func (x *exchange) exists(id string) bool {
	if _, here := x.server.sessions.get(id); here {
		return true
	}
	_, _, err := x.server.cfg.Records.ChangeSubscriptions(x.ctx, id, nil, nil, x.server.cfg.Limits.Subscriptions)
	return !errors.Is(err, pandapush.ErrNotFound)
}

// authorizeAll decides on every channel that m names, and stops at the first that is denied.
func (x *exchange) authorizeAll(m *bayeux.Message) ([]pandapush.Pattern, []pandapush.Grant, error) {
	cred, names := m.Credential(), m.Subscriptions()
	if len(names) > x.server.cfg.Limits.Subscriptions {
		return nil, nil, pandapush.ErrTooManySubs
	}
	var patterns []pandapush.Pattern
	var grants []pandapush.Grant
	for _, name := range names {
		pattern, err := pandapush.ParsePattern(name)
		if err != nil {
			return nil, nil, err
		}
		if err := x.admits(pattern.App()); err != nil {
			return nil, nil, err
		}
		grant, err := x.server.authority.Authorize(cred, pandapush.Subscribe, pattern, x.server.cfg.Now())
		if err != nil {
			return nil, nil, err
		}
		patterns, grants = append(patterns, pattern), append(grants, grant)
	}
	return patterns, grants, nil
}

// subscribeAll adds the session under each pattern. When it returns, every message that is appended later reaches the
// session (P1): the subscriptions begin at the ends that the streams had in between.
func (x *exchange) subscribeAll(m *bayeux.Message, patterns []pandapush.Pattern, grants []pandapush.Grant) ([]bayeux.Start, error) {
	e, id := x.server, m.ClientID.Text()
	if err := e.roomFor(id, patterns); err != nil {
		return nil, err
	}
	defer x.changing(id)()
	starts, err := x.starts(m, patterns)
	if err != nil {
		return nil, err
	}
	joined, err := x.snapshots(id, grants, starts)
	if err != nil {
		return nil, err
	}
	change := change{Add: make(map[string]pandapush.Subscription, len(patterns))}
	for i, pattern := range patterns {
		from := starts[i].Cursor
		if starts[i].Gap != "" { // which the reply tells: the session has nothing to add to that
			from = starts[i].GapTo
		}
		change.Add[pattern.String()] = pandapush.Subscription{
			Grant: grants[i], From: from, Began: from, Since: starts[i].Since, Snapshot: snapshotOf(starts[i]),
		}
	}
	if err := x.change(id, change); err != nil {
		x.undoJoins(joined, err)
		return nil, err
	}
	for _, grant := range grants {
		if grant.Key != "" {
			e.cfg.Keys.Used(grant.App, grant.Key)
		}
	}
	return starts, nil
}

// unsubscribe answers a /meta/unsubscribe. What was never subscribed may be given up.
func (x *exchange) unsubscribe(m *bayeux.Message) {
	id, names := m.ClientID.Text(), m.Subscriptions()
	err := bayeux.CheckUnsubscribe(m, bayeux.ValidClientID(id))
	if err == nil && len(names) > x.server.cfg.Limits.Subscriptions {
		err = pandapush.ErrTooManySubs // more than it can have
	}
	if err == nil {
		err = x.change(id, change{Remove: names})
	}
	if err == nil {
		for _, name := range names {
			if pattern, err := pandapush.ParsePattern(name); err == nil && x.server.cfg.Keys.HasApp(pattern.App()) {
				x.server.turnovers.add(pattern, 0, 1)
			}
		}
		x.server.leaveRooms(x.ctx, id, names...)
	}
	if errors.Is(err, pandapush.ErrNotFound) {
		err = bayeux.CheckUnsubscribe(m, false)
	}
	x.answer("unsubscribe", bayeux.Reply{To: m, Err: x.explain("unsubscribe", err)})
}

// change is what a request wants of a session's subscriptions, by the pattern's text.
type change struct {
	Add    map[string]pandapush.Subscription `json:"add,omitempty"`
	Remove []string                          `json:"remove,omitempty"`
}

// changing notes that a session which is attached here is about to get subscriptions, until the returned function has been
// called and the change been made: this node's positions do not hold for what begins in between.
func (x *exchange) changing(id string) (done func()) {
	s, here := x.server.sessions.get(id)
	if !here {
		return func() {}
	}
	add := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changing += n
	}
	add(1)
	return func() {
		if x.socket != nil {
			x.changes = append(x.changes, func() { add(-1) })
			return
		}
		add(-1)
	}
}

// change makes a change in the record of a session, and where that is attached. For what came by a socket this is done
// after the replies have been written: a message that overtook the reply to its subscription would find a client that has
// nobody to hand it to, and a notice would be undone by the list of who is there. What is appended meanwhile is behind the
// beginning of the subscription, and read from there.
func (x *exchange) change(id string, c change) error {
	e, ctx := x.server, x.ctx
	owner, attached, err := e.cfg.Records.ChangeSubscriptions(ctx, id, c.Add, c.Remove, e.cfg.Limits.Subscriptions)
	if err != nil {
		return err
	}
	if s, ok := e.sessions.living(ctx, id); ok {
		if x.socket != nil {
			s.renewSnapshots(c.Add)
			x.changes = append(x.changes, func() { e.applyTo(ctx, s, c) })
			return nil
		}
		e.applyTo(ctx, s, c)
		return nil
	}
	if !attached || owner == e.cfg.Node {
		return nil // whoever attaches it reads the record
	}
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("tell the session's owner: %w", err)
	}
	return e.cfg.Records.Send(ctx, owner, pandapush.Mail{Kind: mailChanged, From: e.cfg.Node, Session: id, Body: body})
}

// applyChange makes a change that another node has made in the record.
func (e *Server) applyChange(m pandapush.Mail) {
	s, ok := e.sessions.living(e.ctx, m.Session)
	if !ok {
		return
	}
	var c change
	if err := json.Unmarshal(m.Body, &c); err != nil {
		e.cfg.Log.Error("change of subscriptions can't be read", "error", err)
		return
	}
	e.applyTo(e.ctx, s, c)
}

// applyTo makes a change in an attached session.
func (e *Server) applyTo(ctx context.Context, s *session, c change) {
	var late []revocation // what Revalidate may have passed over just before
	for text, sub := range c.Add {
		pattern, err := pandapush.ParsePattern(text)
		if err != nil {
			continue
		}
		e.include(ctx, s, pattern, sub)
		if why := e.refused(sub.Grant); why != nil {
			late = append(late, revocation{s, pattern, sub.Grant, why})
		}
	}
	e.revokeAll(late)
	for _, text := range c.Remove {
		if pattern, err := pandapush.ParsePattern(text); err == nil {
			e.exclude(s, pattern)
		}
	}
	e.leaveRooms(ctx, s.id, c.Remove...) // again: its seats may have been touched, found to be lost and taken before
}

// include adds a subscription to an attached session. What is between its start and where the session is gets read by
// the session itself; what is after that is waited for, so that nothing older than the subscription is pushed to it.
//
// One that the session has already gets a new grant, and stays where it is unless its client asked for the past: nothing
// is lost by that, and nothing comes again.
func (e *Server) include(ctx context.Context, s *session, pattern pandapush.Pattern, sub pandapush.Subscription) {
	if !sub.Since && s.renew(pattern, sub) {
		return
	}
	wait, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	e.hub.reach(wait, pattern.App(), sub.From.Position)
	t := e.hub.enter(pattern.App())
	if !t.include(s, pattern, sub, e.stats) {
		e.hub.exit(t)
	}
}

// include adds a subscription to a session and to the hub, in one step: a message that was handed out in between would
// be neither behind the session's position nor pushed to it. It reports whether the session has a feed of t only by that.
func (t *tenant) include(s *session, pattern pandapush.Pattern, sub pandapush.Subscription, stats *metrics) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first = s.include(t, pattern, sub)
	t.addLocked(s, pattern, stats)
	return first
}

// include adds a subscription, under the tenant's lock. It reports whether the session has a feed of t only by that.
func (s *session) include(t *tenant, pattern pandapush.Pattern, sub pandapush.Subscription) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	f := s.feedLocked(t.app)
	switch {
	case f == nil:
		first = true
		s.feeds = append(s.feeds, newFeed(t, sub.From))
	case f.level: // so the others are as far as the stream
		f.position = later(f.position, t.at().Position)
		f.low = f.position
	}
	s.includeLocked(pattern, sub)
	s.catchUpLocked()
	return first
}

// renew gives a subscription that the session has already another grant. It reports false if there is none.
func (s *session) renew(pattern pandapush.Pattern, stored pandapush.Subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subs.find(pattern.String())
	if sub != nil {
		s.grantLocked(sub, stored.Grant)
		s.snapshotLocked(s.feedLocked(pattern.App()), sub, stored.Snapshot)
	}
	return sub != nil
}

// exclude takes a subscription from an attached session. What is queued already stays queued.
func (e *Server) exclude(s *session, pattern pandapush.Pattern) {
	s.mu.Lock()
	f := s.feedLocked(pattern.App())
	s.subs.remove(pattern.String())
	s.mu.Unlock()
	if f != nil {
		f.tenant.remove(s, pattern, e.stats)
	}
}

// publish answers a message on a channel: it is acknowledged when the stream has it (P5). Neither a session nor a client
// id is needed, and a wrong one does no harm.
func (x *exchange) publish(m *bayeux.Message) {
	channel, grant, denied := x.authorizePublish(m)
	err := bayeux.CheckPublish(m, denied)
	if err == nil {
		err = x.checkLimits(m, channel.App())
	}
	if err == nil {
		var cursor pandapush.Cursor
		cursor, err = x.append(m, pandapush.Message{
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

// retryWindow is how long a publish is remembered, to know it when its client sends it again.
const retryWindow = 2 * time.Minute

// append appends a message. One that a client sends again, because the acknowledgement was lost, is not appended again:
// it has the same client, id and content.
func (x *exchange) append(m *bayeux.Message, message pandapush.Message) (pandapush.Cursor, error) {
	id := m.ClientID.Text()
	if !m.ID.Truthy() || !bayeux.ValidClientID(id) {
		return x.server.cfg.Stream.Append(x.ctx, message)
	}
	cursor, repeated, err := x.server.cfg.Stream.AppendOnce(x.ctx, message, retryKey(id, m.ID, &message), retryWindow)
	if repeated {
		x.server.stats.repeated.Inc()
	}
	return cursor, err
}

// retryKey names what a client publishes under an id.
func retryKey(client string, id []byte, m *pandapush.Message) string {
	channel := m.Channel.String()
	text := make([]byte, 0, len(client)+len(id)+len(channel)+len(m.Data)+32)
	for _, length := range []int{len(client), len(id), len(channel)} { // so that no two lists of parts look the same
		text = append(strconv.AppendInt(text, int64(length), 10), ':')
	}
	text = append(append(append(append(text, client...), id...), channel...), m.Data...)
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// authorizePublish decides whether m may be published.
func (x *exchange) authorizePublish(m *bayeux.Message) (pandapush.Channel, pandapush.Grant, error) {
	channel, err := pandapush.ParseChannel(m.Channel.Text())
	if err != nil {
		return pandapush.Channel{}, pandapush.Grant{}, err
	}
	if err := x.admits(channel.App()); err != nil {
		return pandapush.Channel{}, pandapush.Grant{}, err
	}
	grant, err := x.server.authority.Authorize(m.Credential(), pandapush.Publish, channel.Pattern(), x.server.cfg.Now())
	return channel, grant, err
}

// explain turns what went wrong inside into what the client is told, and logs what only we can mend.
func (x *exchange) explain(operation string, err error) error {
	var refusal pandapush.Refusal
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	x.logFailure(operation, err)
	return fmt.Errorf("%w: %w", bayeux.InternalError, err)
}

// logFailure notes a failure that is ours. While Redis is away there are many, and its reader has said so once.
func (x *exchange) logFailure(operation string, err error) {
	if errors.Is(err, pandapush.ErrUnavailable) || x.ctx.Err() != nil {
		x.server.cfg.Log.Debug("request failed", "operation", operation, "error", err)
		return
	}
	x.server.cfg.Log.Error("request failed", "operation", operation, "error", err)
}
