package edge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// A follower comes back between followReturn and twice that after it has lost its stream, so that those of a node that was
// killed do not come all at once.
const followReturn = time.Second

// Follow answers a request with an event stream of what the patterns of wanted match, all of one application, each with the
// grant that allows it. It begins after since, which is a cursor, a number of messages ("10"), a time to go back ("2m"), or
// "" for now. It returns nil once the stream has begun, which then goes on by itself. Before that nothing has been written,
// and the error is a pandapush.Refusal or wraps pandapush.ErrUnavailable. While this node is going down the stream ends at
// once, as a browser that is refused does not come back.
//
// A follower is a session without a record: the id of each event is its cursor, which its client gives back to go on from
// there, on any node. It is in the rooms that it follows until its client closes the stream. When the stream is lost
// otherwise it keeps its seats for as long as seats are kept, and if its client is back by then nobody is told anything.
func (e *Server) Follow(w http.ResponseWriter, r *http.Request, wanted map[pandapush.Pattern]pandapush.Grant, since string) error {
	if len(wanted) > e.cfg.Limits.Subscriptions {
		return pandapush.ErrTooManySubs
	}
	if err := e.roomFor("", slices.Collect(maps.Keys(wanted))); err != nil {
		e.stats.limited.WithLabelValues(limitName(err)).Inc()
		return err
	}
	start, err := e.followFrom(r.Context(), wanted, since)
	if err != nil {
		return err
	}
	s := e.newFollower(wanted, start)
	head := appendRetry(nil, followReturn+rand.N(followReturn))
	head = appendBeat(head, start) // from here on, the client can come back to here
	var out *stream
	if head, err = e.seatFollower(r.Context(), s, head); err == nil {
		out, err = e.openStream(w, r, head)
	}
	if err != nil {
		e.letGo(s)
		e.leaveSeats(e.ctx, s.seats())
		if errors.Is(err, errSentAway) {
			return nil
		}
		return err
	}
	out.begin()
	out.session.Store(s)
	e.start(s)
	s.begin(out)
	out.net.start(nil)
	e.recheck(s)
	return nil
}

// seatFollower seats a follower in the rooms that it follows, and appends who is in each, as an event. Notices that are older
// than that are not sent to it.
func (e *Server) seatFollower(ctx context.Context, s *session, head []byte) ([]byte, error) {
	for _, sub := range s.subs {
		if _, ok := roomOf(sub.pattern); !ok {
			continue
		}
		_, room, _, err := e.joinRoom(ctx, s.id, sub.pattern, sub.grant)
		if errors.Is(err, pandapush.ErrUnavailable) {
			return nil, fmt.Errorf("join room: %w", pandapush.ErrUnavailable) // no refusal
		}
		if err != nil {
			return nil, err
		}
		s.snapshotLocked(s.feeds[0], sub, room.Cursor) // nobody else has s yet
		head = append(head, "event: presence\ndata: "...)
		head = append(head, oneLine(bayeux.AppendRoom(nil, sub.pattern.String(), &room))...)
		head = append(head, eventTail...)
	}
	return e.followChannels(ctx, s, head)
}

// followChannels appends which channels are in use, as an event without a line "id", for a follower of the channel where
// changes of that are announced.
func (e *Server) followChannels(ctx context.Context, s *session, head []byte) ([]byte, error) {
	for _, sub := range s.subs {
		occupied, err := e.occupied(ctx, sub.pattern)
		if err != nil {
			return nil, fmt.Errorf("channels in use: %w", err)
		}
		if occupied == nil {
			continue
		}
		s.snapshotLocked(s.feeds[0], sub, occupied.Cursor) // nobody else has s yet
		head = append(head, eventData...)
		head = append(appendOccupied(head, sub.pattern.App(), occupied), eventTail...)
	}
	return head, nil
}

// standUp takes a follower that has ended from its seats.
func (e *Server) standUp(s *session) {
	seats := s.seats()
	s.mu.Lock()
	s.subs = nil // so that whoever is about to give a lost seat back does not
	s.mu.Unlock()
	e.leaveSeats(e.ctx, seats)
}

// followFrom returns where a stream of wanted begins. A cursor is taken for what it is, also while Redis is away: whoever
// comes back with one waits for it, and is told of a gap then.
func (e *Server) followFrom(ctx context.Context, wanted map[pandapush.Pattern]pandapush.Grant, since string) (pandapush.Cursor, error) {
	var start bayeux.Start
	for pattern := range wanted {
		start.Pattern = pattern
	}
	cursor, err := pandapush.ParseCursor(start.Pattern.App(), since)
	if err == nil {
		return cursor, nil
	}
	if start.Cursor, err = e.cfg.Stream.Tail(ctx, start.Pattern.App()); err != nil || since == "" {
		return start.Cursor, err
	}
	err = e.rewind(ctx, &start, since, func(channel string) bool {
		for pattern := range wanted {
			if pattern.MatchesName(channel) {
				return true
			}
		}
		return false
	})
	return start.Cursor, err
}

// newFollower returns a session that wants what wanted says, from start on.
func (e *Server) newFollower(wanted map[pandapush.Pattern]pandapush.Grant, start pandapush.Cursor) *session {
	s := &session{id: bayeux.NewClientID(), server: e, follower: true, expiry: true}
	for pattern, grant := range wanted {
		if s.feeds == nil {
			s.feeds = []*feed{newFeed(e.hub.enter(pattern.App()), start)}
		}
		s.grantLocked(s.subs.findOrAdd(pattern), grant) // nobody else has s yet
		if grant.Key != "" {
			e.cfg.Keys.Used(grant.App, grant.Key)
		}
	}
	return s
}

// begin makes a stream the follower's path.
func (s *session) begin(out outlet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outlet = out
	s.catchUpLocked()
}

// beat has a follower's silent stream written to: how far it has got, so that a client whose channels are quiet does not
// come back with a cursor that the history no longer reaches.
func (s *session) beat() {
	s.mu.Lock()
	if s.ended || len(s.queue) > 0 { // then it is not silent
		s.mu.Unlock()
		return
	}
	var reached pandapush.Cursor
	// The stream's position is read under the session's lock: no push up to it can come after this.
	if f, at := s.feeds[0], s.feeds[0].tenant.at(); f.level && at.Epoch == f.epoch {
		reached = pandapush.Cursor{Epoch: f.epoch, Position: later(f.position, at.Position)}
	}
	s.queueLocked(&delivery{event: appendBeat(nil, reached)}) // behind what a worker may be writing
	schedule := s.scheduleLocked()
	s.mu.Unlock()
	s.server.schedule(s, schedule)
}

// dismiss ends a follower and its stream, with an event that says why.
func (e *Server) dismiss(s *session, why error) {
	old, _, ok := s.end(path{})
	if !ok {
		return
	}
	e.unhook(s, endRefused)
	e.stats.revoked.Inc()
	if out, ok := old.outlet.(*stream); ok {
		out.end(appendEnd(nil, why), endRefused)
	}
}
