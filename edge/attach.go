package edge

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// path is how a session reaches its client: an outlet with the connect that is held on it, if any, or a poll.
type path struct {
	transport string // one of pandapush.Transport…
	outlet    outlet
	held      *heldConnect
	poll      *poll
}

// former is the path that a session had, for whoever took it to release.
type former path

// release answers what the former path still owes, and closes its outlet unless it is keep. Never call it with a lock
// held.
func (f former) release(keep outlet) {
	if f.poll != nil {
		f.poll.release()
	}
	if f.held != nil {
		f.held.answer()
	}
	if f.outlet != nil && f.outlet != keep {
		f.outlet.close(endSuperseded)
	}
}

// attach makes p the path of the session that m connects: it claims the record, takes what a former owner knows better,
// and registers the session here. errUnknownSession is returned if there is no such session, errSuperseded if another
// connect was faster, and else the error wraps pandapush.ErrUnavailable.
func (e *Server) attach(ctx context.Context, m *bayeux.Message, p path) (*session, error) {
	id := m.ClientID.Text()
	if p.outlet != nil {
		if s, ok := e.sessions.get(id); ok && (s.holdOn(e.cfg.Now(), m, p) || s.beginOn(e.cfg.Now(), m, p)) {
			return s, nil // the outlet is its path already, or has made it
		}
	}
	defer e.sessions.claiming(id)()
	record, owner, err := e.cfg.Records.ClaimSession(ctx, id, p.transport, e.ttl())
	if errors.Is(err, pandapush.ErrNotFound) {
		return nil, errUnknownSession
	}
	if err != nil {
		return nil, err
	}
	s, here := e.sessions.get(id)
	known := e.unsaved.get(id)
	if here {
		known = s.finally() // it is on its way out, and what it writes now comes too late
		here = known == nil
	}
	if !here {
		if record, err = e.complete(ctx, id, record, owner, known); err != nil {
			return nil, err
		}
	}
	var gone []revocation
	if !here {
		gone = e.takeRefused(&record)
		revived := e.revive(id, record)
		revived.exception = true // the claim has written so
		if s, here = e.sessions.addOrGet(revived); here {
			e.letGo(revived)
		} else {
			e.start(s)
			e.rejoin(ctx, s)
			e.recheck(s)
		}
	}
	old, err := s.take(e.cfg.Now(), record.Fence, m, p)
	if err != nil {
		return nil, err
	}
	old.release(p.outlet)
	for _, r := range gone {
		r.session = s
		e.revoke(ctx, r)
	}
	return s, nil
}

// complete adds to a claimed record what a former owner knows better: this node, whose record of the session may not have
// been written in time, or the one that still had it attached.
func (e *Server) complete(ctx context.Context, id string, record pandapush.Session, owner string, known *pandapush.Session) (pandapush.Session, error) {
	if known != nil && (record.Fence == known.Fence+1 || record.Former == e.cfg.Node) {
		return merge(record, *known), nil
	}
	if owner != "" {
		e.stats.takeovers.Inc()
		state, ok := e.askOwner(ctx, id, record.Fence, owner)
		switch {
		case state != nil:
			return merge(record, *state), nil
		case !ok && !record.Behind:
			return e.advanceTo(ctx, record, owner, endless)
		}
	}
	if record.Former == "" || record.Former == e.cfg.Node {
		return record, nil
	}
	// Whoever claimed the session since has not saved it: it may not have learned of its claim.
	switch state, ok := e.askOwner(ctx, id, record.Fence, record.Former); {
	case state != nil:
		return merge(record, *state), nil
	case !ok:
		return e.advanceTo(ctx, record, record.Former, pandapush.Position{Millis: uint64(max(0, record.FormerAt.Add(-formerLag).UnixMilli()))})
	}
	return record, nil
}

// formerLag is how long before a session was claimed the position of its former owner surely held for it: if that node went on for
// a while without the session, what it handed out then is not the session's.
const formerLag = 2 * time.Second

// endless is after all positions.
var endless = pandapush.Position{Millis: math.MaxUint64, Seq: math.MaxUint64}

// advanceTo moves the cursors of a record to what a node that is dead had written down, but not beyond limit. Such a node
// knew to the message what its clients had got; this is the best there is.
func (e *Server) advanceTo(ctx context.Context, record pandapush.Session, node string, limit pandapush.Position) (pandapush.Session, error) {
	apps := make([]pandapush.AppID, 0, len(record.Cursors))
	for app := range record.Cursors {
		apps = append(apps, app)
	}
	positions, err := e.cfg.Records.Position(ctx, node, apps)
	if err != nil {
		return record, err
	}
	for app, at := range positions {
		if at.Position.Compare(limit) > 0 {
			at.Position = limit
		}
		if c := record.Cursors[app]; c.Epoch == at.Epoch && c.Position.Compare(at.Position) < 0 {
			record.Cursors[app] = at
		}
	}
	return record, nil
}

// merge returns a claimed record with what its former holder knew better: what the client has got. Subscriptions are as the
// record has them, since any node may change those.
func merge(record, known pandapush.Session) pandapush.Session {
	maps.Copy(record.Cursors, known.Cursors)
	record.Answer = known.Answer
	for pattern, sub := range record.Subscriptions {
		if k, ok := known.Subscriptions[pattern]; ok {
			sub.From = k.From
			record.Subscriptions[pattern] = sub
		}
	}
	return record
}

// revive makes a session from its record. It has no path yet, and is behind in every application.
func (e *Server) revive(id string, record pandapush.Session) *session {
	s := &session{
		id: id, server: e, fence: record.Fence, ack: record.Ack, expiry: record.Expiry, created: record.Created, answer: record.Answer,
		batch: record.Answer.Batch, subs: make(subscriptions, 0, len(record.Subscriptions)), seen: e.cfg.Now(),
	}
	for text, sub := range record.Subscriptions {
		pattern, err := pandapush.ParsePattern(text)
		if err != nil {
			e.cfg.Log.Error("stored subscription is not valid", "error", err)
			continue
		}
		if s.feedLocked(pattern.App()) == nil {
			s.feeds = append(s.feeds, newFeed(e.hub.enter(pattern.App()), record.Cursors[pattern.App()]))
		}
		s.includeLocked(pattern, sub)
	}
	return s
}

// newFeed returns a feed that begins at cursor, behind.
func newFeed(t *tenant, cursor pandapush.Cursor) *feed {
	at := cursor.Position
	return &feed{app: t.app, tenant: t, epoch: cursor.Epoch, step: catchUpMessages, position: at, low: at, taken: at, safe: at, clean: true}
}

// includeLocked adds a subscription to the session, which has a feed of its application. One that begins before the feed
// lags, and takes the feed back with it.
func (s *session) includeLocked(pattern pandapush.Pattern, stored pandapush.Subscription) {
	sub := s.subs.findOrAdd(pattern)
	s.grantLocked(sub, stored.Grant)
	f := s.feedLocked(pattern.App())
	s.snapshotLocked(f, sub, stored.Snapshot)
	from := stored.From
	if from.Epoch != f.epoch || from.Epoch == "" {
		return
	}
	if from.Position.Compare(f.position) >= 0 {
		sub.start, f.start = from.Position, later(f.start, from.Position)
		return
	}
	if f.before == (pandapush.Position{}) {
		f.before, _ = s.gotLocked(f)
	}
	f.until = f.position
	sub.lagging, sub.lagged = true, true
	if from.Position.Compare(f.low) < 0 {
		f.low, f.safe, f.level, f.checked = from.Position, from.Position, false, false
		f.clean = f.clean && !s.waitsLocked(f)
		s.proofs = nil // those under way say nothing of what comes next
	}
}

// start registers what a revived session wants with the hub.
func (e *Server) start(s *session) {
	e.stats.sessions.Inc()
	for _, sub := range s.subscriptions() {
		s.feed(sub.pattern.App()).tenant.add(s, sub.pattern, e.stats)
	}
}

func (s *session) feed(app pandapush.AppID) *feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.feedLocked(app)
}

// letGo lets go of the streams of a session that is not wanted here any more.
func (e *Server) letGo(s *session) {
	for _, f := range s.feeds {
		e.hub.exit(f.tenant)
	}
}

// olderThan reports whether the session was claimed before the claim with that fence.
func (s *session) olderThan(fence int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fence < fence
}

// newerThan reports whether the session was claimed again since the claim with that fence.
func (s *session) newerThan(fence int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fence > fence
}

// holdOn lets the outlet that is the session's path hold another connect, in place of the one before it, which is
// answered. It reports false if the outlet is not the path.
func (s *session) holdOn(now time.Time, m *bayeux.Message, p path) bool {
	s.mu.Lock()
	if s.ended || s.outlet != p.outlet {
		s.mu.Unlock()
		return false
	}
	old := former{held: s.held}
	s.held, s.seen = p.held, now
	if p.held != nil {
		p.held.session = s
	}
	old.held.stopLocked()
	s.acknowledgeLocked(m)
	s.catchUpLocked()
	schedule := s.scheduleLocked()
	s.mu.Unlock()
	s.server.schedule(s, schedule)
	old.release(p.outlet)
	return true
}

// beginOn makes p, whose outlet has made the session, its first path. No claim is needed for that, as the record says since it
// was made that this node has the session. It reports false if the session is not such a one.
func (s *session) beginOn(now time.Time, m *bayeux.Message, p path) bool {
	s.mu.Lock()
	fence, mine := s.fence, s.awaited && s.belongsLocked(p.outlet)
	s.mu.Unlock()
	if !mine {
		return false
	}
	_, err := s.take(now, fence, m, p)
	return err == nil // else somebody was faster
}

// take makes p the path, if fence is the newest, and returns what was it before. What the client may not have got by
// that is queued again.
func (s *session) take(now time.Time, fence int64, m *bayeux.Message, p path) (former, error) {
	s.mu.Lock()
	if s.ended || fence < s.fence {
		s.mu.Unlock()
		return former{}, errSuperseded
	}
	old := former{outlet: s.outlet, held: s.held, poll: s.poll}
	if old.outlet != nil && old.outlet != p.outlet || old.poll != nil {
		s.rewindLocked()
	}
	if isEventSource(old.outlet) {
		s.answer.StreamLost = now
	}
	old.held.stopLocked()
	s.exception = s.exception || fence > s.fence // another claim has written so
	s.fence, s.outlet, s.held, s.poll, s.seen, s.awaited = fence, p.outlet, p.held, p.poll, now, false
	if p.held != nil {
		p.held.session = s
	}
	if sameID(m.ID, s.answer.ID) {
		s.backToLocked(s.answer)
	}
	s.acknowledgeLocked(m)
	s.resumeLocked(m)
	s.catchUpLocked()
	if p.poll != nil && s.behindLocked() == nil {
		p.poll.settled()
	}
	schedule := s.scheduleLocked()
	s.mu.Unlock()
	s.server.schedule(s, schedule)
	return old, nil
}

// rewindLocked goes back to what the client of a path that is lost has got for sure.
func (s *session) rewindLocked() {
	r := s.recordLocked()
	s.queue, s.queued, s.proofs = nil, 0, nil
	for _, f := range s.feeds {
		s.setLocked(f, r.Cursors[f.app].Position)
	}
	for _, sub := range s.subs {
		s.includeLocked(sub.pattern, pandapush.Subscription{Grant: sub.grant, From: r.Subscriptions[sub.pattern.String()].From})
	}
}

// setLocked moves a feed and its subscriptions to a position, from which it reads on.
func (s *session) setLocked(f *feed, at pandapush.Position) {
	f.position, f.low, f.taken, f.safe = at, at, at, at
	f.clean, f.level, f.checked = true, false, false
	f.before, f.until = pandapush.Position{}, pandapush.Position{}
	for _, sub := range s.subs {
		if sub.pattern.App() == f.app {
			sub.lagging, sub.lagged = false, false
		}
	}
}

// backToLocked goes back to before an answer that the client did not get.
func (s *session) backToLocked(answer pandapush.Answer) {
	s.queue, s.queued = nil, 0
	for _, f := range s.feeds {
		from, ok := answer.From[f.app]
		if !ok || from.Epoch != f.epoch {
			continue
		}
		s.setLocked(f, from.Position)
		for _, sub := range s.subs {
			if sub.pattern.App() == f.app {
				s.includeLocked(sub.pattern, pandapush.Subscription{Grant: sub.grant, From: answer.Lagging[sub.pattern.String()]})
			}
		}
	}
	s.answer = pandapush.Answer{Batch: s.answer.Batch, PolledFrom: s.answer.PolledFrom, PolledTo: s.answer.PolledTo}
}

// acknowledgeLocked takes the number of the last batch that the client has got. When that is not the last one sent, that
// one is sent again.
func (s *session) acknowledgeLocked(m *bayeux.Message) {
	batch, ok := m.Ack()
	if !s.ack || !ok {
		return
	}
	if batch < s.answer.Batch && s.answer.From != nil {
		s.backToLocked(s.answer)
	}
	s.answer.From, s.answer.Lagging = nil, nil
	s.batch = max(s.batch, batch) // a number that the client has seen is never given to another batch
}

// resumeLocked takes the cursors that a client which counts for itself gives with its connect, by application; or what a browser
// says with an event stream, which knows what came by the last one. Polls may have brought more since.
func (s *session) resumeLocked(m *bayeux.Message) {
	opened := isEventSource(s.outlet)
	for _, f := range s.feeds {
		cursor, err := pandapush.ParseCursor(f.app, m.Since(string(f.app)))
		if err != nil {
			continue
		}
		if from := s.answer.PolledFrom[f.app]; opened && from.Epoch == cursor.Epoch && from.Position.Compare(cursor.Position) <= 0 {
			cursor.Position = later(cursor.Position, s.answer.PolledTo[f.app].Position)
		}
		f.epoch = cursor.Epoch
		s.setLocked(f, cursor.Position)
	}
	if opened {
		s.answer.PolledFrom, s.answer.PolledTo, s.answer.StreamLost = nil, nil, time.Time{}
	}
}

// sameID reports whether a connect has the id of the last one answered.
func sameID(id []byte, answered string) bool { return answered != "" && string(id) == answered }

// Mail between nodes.
const (
	mailTaken   = "taken"   // the session is the sender's now: give it up, and hand over
	mailHandoff = "handoff" // the answer: the session as it was; empty if it was not there
	mailChanged = "changed" // its subscriptions have changed

	mailConnected = "connected" // the client of an event stream has connected elsewhere
)

// handoffPatience is how long a former owner is waited for; one that does not answer is not waited for again for
// deadFor.
const (
	handoffPatience = 250 * time.Millisecond
	deadFor         = 10 * time.Second
)

// askOwner asks a session's former owner what its client has got. ok is false if there is no answer; the state is nil if
// the owner does not have the session any more, so that the record holds.
func (e *Server) askOwner(ctx context.Context, id string, fence int64, owner string) (state *pandapush.Session, ok bool) {
	if !e.nodes.mayAsk(ctx, owner, e.cfg.Now) {
		return nil, false
	}
	answer := e.handoffs.expect(id)
	defer e.handoffs.forget(id, answer)
	defer e.nodes.forget(owner)
	if err := e.cfg.Records.Send(ctx, owner, pandapush.Mail{Kind: mailTaken, From: e.cfg.Node, Session: id, Fence: fence}); err != nil {
		return nil, false
	}
	patience := handoffPatience
	if gone, err := e.cfg.Records.Gone(ctx, owner); err == nil && gone {
		patience = 0
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case body := <-answer:
		if len(body) == 0 {
			return nil, true
		}
		if err := json.Unmarshal(body, &state); err != nil {
			e.cfg.Log.Error("handoff can't be read", "error", err)
			return nil, false
		}
		return state, true
	case <-timer.C:
		e.nodes.silent(owner, e.cfg.Now())
	case <-ctx.Done():
	}
	return nil, false
}

// Mail takes what another node has to say. It does not block.
func (e *Server) Mail(m pandapush.Mail) {
	e.nodes.heard(m.From)
	switch m.Kind {
	case mailTaken:
		e.background(func() { e.handOver(m) })
	case mailHandoff:
		e.handoffs.deliver(m.Session, m.Body)
	case mailConnected:
		if s, ok := e.sessions.get(m.Session); ok {
			s.connected(e.cfg.Now(), nil, true)
		}
	case mailChanged:
		e.background(func() { e.applyChange(m) })
	case pandapush.MailEnded:
		if s, ok := e.sessions.get(m.Session); ok {
			e.background(func() { e.dropEnded(e.ctx, s, endDisconnect) })
		}
	}
}

// handOver gives up a session that another node has claimed, and tells that node how far it is.
func (e *Server) handOver(m pandapush.Mail) {
	var body []byte
	state := e.unsaved.get(m.Session)
	if s, ok := e.sessions.get(m.Session); ok {
		if state = nil; s.olderThan(m.Fence) { // else the session has come back meanwhile
			final := e.drop(s, endSuperseded)
			state = &final
		}
	}
	if state != nil {
		var err error
		if body, err = json.Marshal(state); err != nil {
			e.cfg.Log.Error("handoff can't be written", "error", err)
		}
	}
	if err := e.cfg.Records.Send(e.ctx, m.From, pandapush.Mail{Kind: mailHandoff, From: e.cfg.Node, Session: m.Session, Fence: m.Fence, Body: body}); err != nil {
		e.cfg.Log.Debug("handoff not sent", "error", err)
	}
}
