package edge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// Presence keeps who is in which room: a presence channel whose members are the users of the sessions that subscribe to it.
// A seat is kept for a while only, so that a node which dies leaves nobody behind. All methods are safe for concurrent
// use. Errors wrap pandapush.ErrUnavailable when Redis can't be reached.
type Presence interface {
	// JoinPresence seats a session, tells the room if its user is new there or has new data, and returns the room as it is
	// then. first says that the session was not seated as that user before.
	JoinPresence(ctx context.Context, seat pandapush.Seat, ttl time.Duration) (room pandapush.Room, first bool, err error)
	// RejoinPresence seats sessions that may have lost their seats, and says nothing new of users that are there.
	RejoinPresence(ctx context.Context, seats []pandapush.Seat, ttl time.Duration) error
	// LeavePresence takes sessions from their seats; the room is told of a user that has lost the last. It is no error if
	// there are none. When a session's record is ended, its seats are left with it.
	LeavePresence(ctx context.Context, seats []pandapush.Seat) error
	// TouchPresence lets sessions keep their seats, and returns those that have lost them.
	TouchPresence(ctx context.Context, seats []pandapush.Seat, ttl time.Duration) (gone []pandapush.Seat, err error)
}

// roomOf returns the room that a pattern names. One with a wildcard names none: who subscribes to it gets what is sent to
// all rooms that it matches, and is in none of them.
func roomOf(pattern pandapush.Pattern) (room pandapush.Channel, ok bool) {
	if pattern.Kind() != pandapush.Presence {
		return room, false
	}
	room, err := pandapush.ParseChannel(pattern.String())
	return room, err == nil
}

// snapshots tells a session, before it subscribes, what stands in the channels that announce changes of it: it joins the rooms,
// and sees which channels are in use. Each of those starts is then at the moment of that unless the client asked for what
// was before. joined are the seats that are new, for whoever has to undo it.
func (x *exchange) snapshots(id string, grants []pandapush.Grant, starts []bayeux.Start) (joined []pandapush.Seat, err error) {
	if err := x.lookAtChannels(starts); err != nil {
		return nil, err
	}
	return x.joinRooms(id, grants, starts)
}

// joinRooms seats a session in the rooms that it is about to subscribe to.
func (x *exchange) joinRooms(id string, grants []pandapush.Grant, starts []bayeux.Start) (joined []pandapush.Seat, err error) {
	checked := false
	for i := range starts {
		if _, ok := roomOf(starts[i].Pattern); !ok {
			continue
		}
		if !checked && !x.exists(id) { // nobody may join by a session that there is not
			return nil, pandapush.ErrNotFound
		}
		checked = true
		seat, room, first, err := x.server.joinRoom(x.ctx, id, starts[i].Pattern, grants[i])
		if err != nil {
			x.server.leaveSeats(x.ctx, joined)
			return nil, err
		}
		if starts[i].Room = &room; !starts[i].Since {
			starts[i].Cursor = room.Cursor
		}
		if first {
			joined = append(joined, seat)
		}
	}
	return joined, nil
}

// joinRoom seats a session in the room that pattern names.
func (e *Server) joinRoom(ctx context.Context, id string, pattern pandapush.Pattern, grant pandapush.Grant) (seat pandapush.Seat, room pandapush.Room, first bool, err error) {
	seat, _ = seatOf(id, pattern, grant)
	if len(grant.Presence) > e.cfg.Limits.PresenceBytes {
		return seat, room, false, pandapush.ErrPresenceTooLarge
	}
	room, first, err = e.cfg.Presence.JoinPresence(ctx, seat, e.presenceTTL())
	if err != nil {
		return seat, room, false, fmt.Errorf("%w: %w", pandapush.ErrPresenceFailed, err)
	}
	e.stats.joins.Inc()
	return seat, room, first, nil
}

// seatOf returns the seat that a subscription gives to a session; ok is false if it gives none.
func seatOf(id string, pattern pandapush.Pattern, grant pandapush.Grant) (seat pandapush.Seat, ok bool) {
	room, ok := roomOf(pattern)
	return pandapush.Seat{Room: room, Session: id, Member: pandapush.Member{User: grant.User, Data: grant.Presence}}, ok
}

// undoJoins takes a session from the seats that it got for subscriptions which were then refused. If it is not known
// whether they were, it keeps them: should there be none, nobody touches the seats.
func (x *exchange) undoJoins(joined []pandapush.Seat, why error) {
	if _, refused := errors.AsType[pandapush.Refusal](why); refused || errors.Is(why, pandapush.ErrNotFound) {
		x.server.leaveSeats(x.ctx, joined)
	}
}

// leaveRooms takes a session from the rooms among some patterns that it has given up or lost.
func (e *Server) leaveRooms(ctx context.Context, id string, patterns ...string) {
	var seats []pandapush.Seat
	for _, text := range patterns {
		pattern, err := pandapush.ParsePattern(text)
		if err != nil {
			continue // it was never subscribed to
		}
		if seat, ok := seatOf(id, pattern, pandapush.Grant{}); ok {
			seats = append(seats, seat)
		}
	}
	e.leaveSeats(ctx, seats)
}

// leaveSeats takes sessions from their seats. When that fails they keep them until their time is over.
func (e *Server) leaveSeats(ctx context.Context, seats []pandapush.Seat) {
	if len(seats) == 0 {
		return
	}
	if err := e.cfg.Presence.LeavePresence(ctx, seats); err != nil {
		e.cfg.Log.Debug("seats not left", "error", err)
	}
}

// snapshotOf returns when the client of a subscription is told what its notices change; zero if they change nothing.
func snapshotOf(start bayeux.Start) pandapush.Cursor {
	switch {
	case start.Room != nil:
		return start.Room.Cursor
	case start.Channels != nil:
		return start.Channels.Cursor
	}
	return pandapush.Cursor{}
}

// snapshotLocked notes when the client was told who is in the room of a subscription. Notices up to there that wait to be
// written are taken back, unless they are for another subscription too: they would contradict what the client knows.
func (s *session) snapshotLocked(f *feed, sub *subscription, at pandapush.Cursor) {
	if at.Epoch == "" || at.Epoch != f.epoch || at.Position.Compare(sub.snapshot) <= 0 {
		return
	}
	sub.snapshot, f.start = at.Position, later(f.start, at.Position)
	s.queue = slices.DeleteFunc(s.queue, func(d *delivery) bool {
		stale := d.app == f.app && d.notice && d.position.Compare(at.Position) <= 0 && !s.takesLocked(d)
		if stale {
			s.queued -= len(d.wire)
		}
		return stale
	})
}

// renewSnapshots notes who is in the rooms that a session subscribes to already, before it is told: from then on the
// notices up to there are old news, though one may be on its way to the socket at this moment.
func (s *session) renewSnapshots(subs map[string]pandapush.Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pattern, stored := range subs {
		if sub := s.subs.find(pattern); sub != nil {
			s.snapshotLocked(s.feedLocked(sub.pattern.App()), sub, stored.Snapshot)
		}
	}
}

// takesLocked reports whether one of the session's subscriptions takes d, wherever they have got to.
func (s *session) takesLocked(d *delivery) bool {
	for sub := range s.matchingLocked(d) {
		if sub.takes(d) {
			return true
		}
	}
	return false
}

// takes reports whether d is after the subscription's start, and no old news.
func (sub *subscription) takes(d *delivery) bool {
	return d.position.Compare(sub.start) > 0 && (!d.notice || d.position.Compare(sub.snapshot) > 0)
}

// snapshotCursorLocked returns a subscription's snapshot as it is stored.
func (s *session) snapshotCursorLocked(sub *subscription) pandapush.Cursor {
	f := s.feedLocked(sub.pattern.App())
	if f == nil || sub.snapshot == (pandapush.Position{}) {
		return pandapush.Cursor{}
	}
	return pandapush.Cursor{Epoch: f.epoch, Position: sub.snapshot}
}
