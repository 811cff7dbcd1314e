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

// joinRooms seats a session in the rooms that it is about to subscribe to. Each start then has its room, and is at the
// moment of that unless the client asked for what was before. joined are the seats that are new, for whoever has to undo it.
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
		e.cfg.Log.Debug("seats not left", "err", err)
	}
}

// seats returns the seats that a session's subscriptions give it, whether it is attached or not.
func (s *session) seats() (seats []pandapush.Seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		if seat, ok := seatOf(s.id, sub.pattern, sub.grant); ok {
			seats = append(seats, seat)
		}
	}
	return seats
}

// has reports whether the session subscribes to a room, attached or not.
func (s *session) has(room pandapush.Channel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subs.find(room.String()) != nil
}

// rejoin seats a session that has come back. In time, it still has its seats, and nobody is told anything.
func (e *Server) rejoin(ctx context.Context, s *session) {
	if seats := s.seats(); len(seats) > 0 {
		e.reseat(ctx, seats, map[string]*session{s.id: s})
	}
}

// reseat gives sessions their seats back, but for those that have given up the room meanwhile. Where that happens at the
// same moment, either this sees it, or the seat is left after this has taken it.
func (e *Server) reseat(ctx context.Context, seats []pandapush.Seat, owners map[string]*session) {
	if err := e.cfg.Presence.RejoinPresence(ctx, seats, e.presenceTTL()); err != nil {
		e.cfg.Log.Debug("seats not taken again", "err", err) // they are touched before long, and then found to be missing
	}
	var given []pandapush.Seat
	for _, seat := range seats {
		if !owners[seat.Session].has(seat.Room) {
			given = append(given, seat)
		}
	}
	e.leaveSeats(ctx, given)
}

// presenceTTL is how long a seat is kept without a sign of its session: no longer than the session itself.
func (e *Server) presenceTTL() time.Duration { return min(e.cfg.PresenceTTL, e.ttl()) }

// presenceRetry is the pause after seats could not be touched: when Redis comes back, it gives up none for longer than this.
const presenceRetry = time.Second

// keepSeats touches the seats of the sessions that are attached here, three times while they would be kept, until ctx ends.
func (e *Server) keepSeats(ctx context.Context) error {
	timer := time.NewTimer(e.presenceTTL() / 3)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		pause := e.presenceTTL() / 3
		if err := e.touchSeats(ctx); err != nil {
			e.cfg.Log.Debug("seats not touched", "err", err) // while Redis is away; its reader has said so
			pause = min(pause, presenceRetry)
		}
		timer.Reset(pause)
	}
}

// touchSeats touches all seats once, and has those that were lost taken again.
func (e *Server) touchSeats(ctx context.Context) error {
	var seats []pandapush.Seat
	owners := map[string]*session{}
	for _, s := range e.all() {
		if mine := s.seats(); len(mine) > 0 {
			seats = append(seats, mine...)
			owners[s.id] = s
		}
	}
	e.stats.seats.Set(float64(len(seats)))
	if len(seats) == 0 {
		return nil
	}
	gone, err := e.cfg.Presence.TouchPresence(ctx, seats, e.presenceTTL())
	lost := gone[:0]
	for _, seat := range gone {
		if owners[seat.Session].subscribes(seat.Room.Pattern()) { // else it has left
			lost = append(lost, seat)
		}
	}
	if len(lost) > 0 {
		e.reseat(ctx, lost, owners)
	}
	return err
}

// snapshotOf returns when the client of a subscription is told who is in the room; zero if it is none.
func snapshotOf(start bayeux.Start) pandapush.Cursor {
	if start.Room == nil {
		return pandapush.Cursor{}
	}
	return start.Room.Cursor
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

// takesLocked reports whether one of the session's subscriptions takes d, wherever they have got to.
func (s *session) takesLocked(d *delivery) bool {
	for pattern := range candidates(d.channel) {
		if sub := s.subs.find(pattern); sub != nil && sub.takes(d) {
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
