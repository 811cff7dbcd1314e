package edge

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// session is one Bayeux client that is attached to this node: it has a path, which is a socket, an event stream, or a poll
// that is being held; or it has been made by a socket, which has yet to connect. It is made from its record when a connect
// claims that, and goes back into it when the path is lost; in between the record may be behind. It has no goroutine of its
// own.
//
// For each application a session is either level with the stream, and then messages are pushed to it as they come, or
// behind, and then it reads them itself, first from the window and before that from Redis, as fast as its client takes
// them (see catchup.go). So what waits for it is bounded, and whoever comes back, was slow, or subscribes to the past is
// served by the same few lines.
type session struct {
	// Set before the session is registered, then never changed.
	id       string
	server   *Server
	follower bool // it has no record, and its id is for its seats alone: its cursor is with its client, and it ends with its event stream

	saving sync.Mutex // held from making a record to having written it, so that an older one never comes later; before mu

	mu        sync.Mutex
	ended     bool
	final     *pandapush.Session // the record as it is to be, once ended
	fence     int64
	ack       bool
	expiry    bool // the client asked for its subscriptions to end with their grants
	created   time.Time
	lapses    time.Time // when the first of the grants expires; zero if that ends no subscription
	subs      subscriptions
	feeds     []*feed
	queue     []*delivery // not yet written, oldest first
	queued    int         // bytes in queue
	spare     []*delivery // an empty slice to queue into next
	scheduled bool        // on the flusher's list, or being written to by one of its workers
	catching  bool        // a goroutine is reading for it
	outlet    outlet      // the path, if it is a socket or an event stream
	poll      *poll       // the path, if it is a poll
	awaited   bool        // a socket has made it, which has yet to connect; until then there is no path
	held      *heldConnect
	answer    pandapush.Answer // the last connect that was answered with messages
	batch     int64            // the number of the last batch, for a client that acknowledges
	proofs    []proof          // the pings under way, oldest first
	proofSent time.Time        // when the last ping was sent
	changing  int              // requests that are adding subscriptions, which the session does not know of yet
	exception bool             // the record says that this node's position does not hold for the session
	excepted  *exceptedRecord  // what was last written of an exception; nil of others
	restored  bool             // the record was gone, and has been written anew
	seen      time.Time        // when the client last connected, or when its last connect was answered
}

// feed is how far a session has got in one application's stream. Its fields are guarded by the session's lock.
type feed struct {
	app     pandapush.AppID
	tenant  *tenant
	epoch   pandapush.Epoch
	checked bool // the stream has been seen to reach back to low
	step    int  // how many entries to read from Redis at a time: as many as its messages are small enough for

	level    bool               // messages are pushed; else they are read from low on
	start    pandapush.Position // the latest of the subscriptions' starts
	position pandapush.Position // all that the session wants up to here has been queued
	low      pandapush.Position // the same for those of its subscriptions that lag; else equal to position
	taken    pandapush.Position // of the newest message given to a writer

	// What the client is known to have got, when its path is an outlet: a pong proves all that was written before its ping.
	safe  pandapush.Position
	clean bool // nothing is unproven

	// While a subscription lags, and until its client has got what it lagged behind, the others stand apart from it. Else both are
	// zero.
	before pandapush.Position // what the others have got for sure
	until  pandapush.Position // where they were; after it all go together
}

// spareQueue is the capacity up to which a session keeps an emptied queue, in messages.
const spareQueue = 16

// push queues d, if the session is level and does not have it yet through another of its patterns. It reports whether it
// queued d, and whether the caller must put the session on the flusher's list. When the queue is full the session falls
// behind: the queue is dropped, and read again when there is room. Never blocks.
func (s *session) push(d *delivery) (queued, schedule bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.feedLocked(d.app)
	if s.ended || f == nil || !f.level || d.position.Compare(f.position) <= 0 {
		return false, false
	}
	if d.position.Compare(f.start) <= 0 && !s.wantsLocked(f, d) || d.keptFrom(s.id, s.server.cfg.Now) {
		return false, false
	}
	if len(s.queue) >= s.server.cfg.Limits.QueueMessages || s.queued+len(d.wire) > s.server.cfg.Limits.QueueBytes && len(s.queue) > 0 {
		s.fallBehindLocked()
		return false, s.scheduleLocked()
	}
	f.position, f.low = d.position, d.position
	s.queueLocked(d)
	return true, s.scheduleLocked()
}

func (s *session) queueLocked(d *delivery) {
	if d.gap != nil {
		s.server.stats.resumes.WithLabelValues("gap").Inc()
		told := s.gapDelivery(d.app, *d.gap)
		told.app, told.channel, told.position = d.app, d.channel, d.position
		d = told
	}
	s.queue = append(s.queue, d)
	s.queued += len(d.wire)
	if s.poll != nil {
		s.poll.wake()
	}
}

// fallBehindLocked drops the queue. Each feed that had something in it goes on from there.
func (s *session) fallBehindLocked() {
	for _, d := range s.queue {
		f := s.feedLocked(d.app)
		if f == nil || !f.level {
			continue
		}
		f.level = false
		f.low = s.firstLocked(f).Prev()
		if f.position = later(f.low, f.until); f.before.Compare(f.until) < 0 { // and what the others did not have yet may be in the queue
			f.position = later(f.low, f.before)
		}
		for _, sub := range s.subs {
			sub.lagging = sub.lagging || sub.lagged && sub.pattern.App() == f.app && f.low.Compare(f.position) < 0
		}
	}
	s.queue, s.queued = nil, 0
	s.server.stats.slow.Inc()
	s.catchUpLocked()
}

func (s *session) feedLocked(app pandapush.AppID) *feed {
	for _, f := range s.feeds {
		if f.app == app {
			return f
		}
	}
	return nil
}

// scheduleLocked reports whether the caller must put the session on the flusher's list. A client that acknowledges gets
// its messages with the answer to its connect alone.
func (s *session) scheduleLocked() bool {
	if s.outlet == nil || s.scheduled || len(s.queue) == 0 {
		return false
	}
	if s.ack && s.held == nil {
		return false
	}
	s.scheduled = true
	return true
}

// flushOutlet writes what is pending to the session's outlet, and reports whether more has come meanwhile: then the session
// stays scheduled. Only the flusher calls it, and one worker at a time.
func (s *session) flushOutlet(w *scratch) (again bool) {
	s.mu.Lock()
	out := s.outlet
	if out == nil || len(s.queue) == 0 || s.ack || out.blocked() { // a blocked outlet is scheduled when it drains
		s.scheduled = false
		answer := out != nil && s.ack && s.held != nil && len(s.queue) > 0
		held := s.held
		s.mu.Unlock()
		if answer {
			s.server.background(held.answerBatch)
		}
		return false
	}
	batch := s.takeLocked()
	var prove []byte
	if out.pings() {
		prove = s.proveLocked()
	}
	s.mu.Unlock()

	err := out.deliver(w, batch, prove)

	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && cap(batch) <= spareQueue {
		clear(batch)
		s.spare = batch[:0]
	}
	// When it failed, the outlet's end is on its way to detach, which goes back to what is proven.
	if len(s.queue) == 0 {
		s.catchUpLocked()
	}
	s.scheduled = len(s.queue) > 0
	return s.scheduled
}

// takeLocked empties the queue for a writer.
func (s *session) takeLocked() []*delivery {
	batch := s.queue
	s.queue, s.queued, s.spare = s.spare, 0, nil
	for _, d := range batch {
		if f := s.feedLocked(d.app); f != nil {
			if f.clean {
				f.safe, f.clean = d.position.Prev(), false
			}
			f.taken = d.position
		}
	}
	return batch
}

const (
	// proofInterval is how often a socket that gets messages is pinged to find out whether they arrive. It is how much is
	// repeated to a client whose connection breaks without a word.
	proofInterval = time.Second
	// maxProofs is how many of those pings may be under way: the client of so many is slow.
	maxProofs = 16
)

// proof is a ping under way: when its pong comes, what was written before it has arrived. On an event stream, which has no
// pings, it is a connect: when the next one comes.
type proof struct {
	number  uint32               // unlike those of any other session: a socket may turn to another one while a pong is under way
	written []pandapush.Position // for each of the session's feeds
}

// proveLocked returns the ping that the next write should end with, or nil if it is not yet time for one.
func (s *session) proveLocked() []byte {
	now := s.server.cfg.Now()
	if len(s.proofs) == maxProofs || now.Sub(s.proofSent) < proofInterval {
		return nil
	}
	s.proofSent = now
	s.markLocked()
	return binary.BigEndian.AppendUint32([]byte{proofPing}, s.proofs[len(s.proofs)-1].number)
}

// markLocked begins a proof of what has been written so far.
func (s *session) markLocked() {
	p := proof{s.server.proofs.Add(1), make([]pandapush.Position, len(s.feeds))}
	for i, f := range s.feeds {
		p.written[i] = f.taken
	}
	s.proofs = append(s.proofs, p)
}

// proven notes the pong of a proof. It comes by the socket that the ping went by, or counts for nothing.
func (s *session) proven(out outlet, number uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.proofs, func(p proof) bool { return p.number == number })
	if s.outlet == out && i >= 0 {
		s.provenLocked(i)
	}
}

// provenLocked notes that what was written before proof i has arrived.
func (s *session) provenLocked(i int) {
	written := s.proofs[i].written
	s.proofs = slices.Delete(s.proofs, 0, i+1)
	for k, at := range written {
		f := s.feeds[k] // feeds are only ever added
		f.safe = at
		f.clean = at == f.taken
		s.settleLocked(f, f.clean && !s.waitsLocked(f) || at.Compare(f.until) >= 0)
	}
}

// waitsLocked reports whether something of a feed is in the queue.
func (s *session) waitsLocked(f *feed) bool {
	return slices.ContainsFunc(s.queue, func(d *delivery) bool { return d.app == f.app })
}

// settleLocked makes subscriptions that lagged like the others, if their client has got what they lagged behind and they do so
// no more.
func (s *session) settleLocked(f *feed, arrived bool) {
	if f.before == (pandapush.Position{}) || !arrived || f.low.Compare(f.position) < 0 {
		return
	}
	f.before, f.until = pandapush.Position{}, pandapush.Position{}
	for _, sub := range s.subs {
		sub.lagged = sub.lagged && sub.pattern.App() != f.app
	}
}

// drained goes on with an outlet that was blocked.
func (s *session) drained(out outlet) {
	s.mu.Lock()
	schedule := s.outlet == out && s.scheduleLocked()
	if s.outlet == out {
		s.catchUpLocked()
	}
	s.mu.Unlock()
	if schedule {
		s.server.flush.add(s)
	}
}

// wantsLocked reports whether the session is to get d and does not have it yet: one of its patterns matches, and none
// through which it has been served already; and it is not kept from it.
func (s *session) wantsLocked(f *feed, d *delivery) bool {
	if d.keptFrom(s.id, s.server.cfg.Now) {
		return false
	}
	wanted := false
	for sub := range s.matchingLocked(d) {
		if !sub.takes(d) {
			continue
		}
		if !sub.lagging && d.position.Compare(f.position) <= 0 {
			return false
		}
		wanted = true
	}
	return wanted
}

// maxIndexed is up to how many channels the window's index is used; beyond that, a scan is no slower.
const maxIndexed = 16

// channelsLocked returns the channels that a feed's subscriptions name, and that of gaps, or nil if they can't be listed.
func (s *session) channelsLocked(app pandapush.AppID) []string {
	channels := append(make([]string, 0, 4), pandapush.GapChannel(app).String())
	for _, sub := range s.subs {
		if sub.pattern.App() != app {
			continue
		}
		if sub.pattern.Wild() || len(channels) > maxIndexed {
			return nil
		}
		channels = append(channels, sub.pattern.String())
	}
	return channels
}

// subscribes reports whether the session lives and subscribes to pattern.
func (s *session) subscribes(pattern pandapush.Pattern) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ended && s.subs.find(pattern.String()) != nil
}

// subscriptions returns what the session subscribes to, in no order.
func (s *session) subscriptions() []subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]subscription, 0, len(s.subs))
	for _, sub := range s.subs {
		list = append(list, *sub)
	}
	return list
}

// reposition moves a feed to the end of a stream that is not the one it was. It reports false if it was moved already.
func (s *session) reposition(t *tenant, to pandapush.Cursor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.feedLocked(t.app)
	if f == nil || f.epoch == to.Epoch && f.position == to.Position && f.level {
		return false
	}
	f.epoch, f.checked, f.level, f.clean = to.Epoch, true, true, true
	f.position, f.low, f.taken, f.safe = to.Position, to.Position, to.Position, to.Position
	s.proofs = nil // they speak of the other stream
	for _, sub := range s.subs {
		sub.lagging = sub.lagging && sub.pattern.App() != t.app
	}
	s.settleLocked(f, true)
	return true
}

// tellGap queues the news that messages of an application may be missing.
func (s *session) tellGap(app pandapush.AppID, g gap) { s.tell(s.gapDelivery(app, g)) }

// gapDelivery makes the form in which the session's client is told of a gap.
func (s *session) gapDelivery(app pandapush.AppID, g gap) *delivery {
	if s.follower {
		event := appendEventHead(nil, "gap", g.to)
		event = bayeux.AppendGapDetail(event, app, g.from, g.to, g.reason)
		return &delivery{event: append(event, eventTail...)}
	}
	return &delivery{wire: bayeux.AppendGap(nil, s.id, app, g.from, g.to, g.reason)}
}

// tell queues a message of the server's own, which has no place in a stream.
func (s *session) tell(d *delivery) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.queueLocked(d)
	schedule := s.scheduleLocked()
	s.mu.Unlock()
	if schedule {
		s.server.flush.add(s)
	}
}

// expired reports whether the client of an outlet has not connected for longer than ttl and has no connect held.
// A follower never connects, and one that has ended is its record's affair.
func (s *session) expired(now time.Time, ttl time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ended && !s.follower && s.poll == nil && s.held == nil && now.Sub(s.seen) >= ttl
}

// recordLocked returns the session as it is to be stored: its cursors are what the client has got for sure.
func (s *session) recordLocked() pandapush.Session {
	r := pandapush.Session{
		Fence: s.fence, Owner: s.server.cfg.Node, Attached: true, Created: s.created, Ack: s.ack, Expiry: s.expiry, Answer: s.answer,
		Subscriptions: make(map[string]pandapush.Subscription, len(s.subs)),
		Cursors:       make(map[pandapush.AppID]pandapush.Cursor, len(s.feeds)),
	}
	for _, sub := range s.subs {
		r.Subscriptions[sub.pattern.String()] = pandapush.Subscription{Grant: sub.grant, Snapshot: s.snapshotCursorLocked(sub)}
	}
	for _, f := range s.feeds {
		cursor, from := s.gotLocked(f)
		r.Cursors[f.app] = pandapush.Cursor{Epoch: f.epoch, Position: cursor}
		for _, sub := range s.subs {
			if sub.pattern.App() != f.app {
				continue
			}
			stored := r.Subscriptions[sub.pattern.String()]
			if sub.lagged {
				stored.From = pandapush.Cursor{Epoch: f.epoch, Position: from}
			} else if sub.start.Compare(cursor) > 0 {
				stored.From = pandapush.Cursor{Epoch: f.epoch, Position: sub.start}
			}
			r.Subscriptions[sub.pattern.String()] = stored
		}
	}
	return r
}

// gotLocked returns how far the client has got: its subscriptions, and those of them that lag or have until now.
func (s *session) gotLocked(f *feed) (cursor, from pandapush.Position) {
	switch {
	case s.outlet != nil && !s.ack && !f.clean:
		from = f.safe
	case s.waitsLocked(f):
		from = s.firstLocked(f).Prev()
	case f.level:
		// Nothing is pending, so all that was handed out has been, or was of no interest. The stream's position is read
		// under the session's lock: no push up to it can come after this.
		from = later(f.position, f.tenant.at().Position)
	default:
		from = f.low
	}
	if f.before != (pandapush.Position{}) {
		return f.before, from
	}
	return from, from
}

// firstLocked returns the position of the oldest message of a feed in the queue. What a subscription lags behind comes after
// newer ones there.
func (s *session) firstLocked(f *feed) (first pandapush.Position) {
	for _, d := range s.queue {
		if d.app == f.app && (first == pandapush.Position{} || d.position.Compare(first) < 0) {
			first = d.position
		}
	}
	return first
}
