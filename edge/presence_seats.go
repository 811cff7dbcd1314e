package edge

import (
	"context"
	"slices"
	"time"

	"github.com/pandapush/pandapush"
)

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

// reseat gives sessions their seats back, but for those that have given up the room or ended meanwhile. Where that happens
// at the same moment, either this sees it, or the seat is left after this has taken it.
func (e *Server) reseat(ctx context.Context, seats []pandapush.Seat, owners map[string]*session) {
	if err := e.cfg.Presence.RejoinPresence(ctx, seats, e.presenceTTL()); err != nil {
		e.cfg.Log.Debug("seats not taken again", "error", err) // they are touched before long, and then found to be missing
	}
	var given []pandapush.Seat
	var detached []string
	for _, seat := range seats {
		s := owners[seat.Session]
		if !s.has(seat.Room) {
			given = append(given, seat)
		} else if s.finally() != nil {
			detached = append(detached, s.id)
		}
	}
	for _, id := range e.withoutRecord(ctx, detached) {
		given = append(given, owners[id].seats()...)
	}
	e.leaveSeats(ctx, given)
}

// withoutRecord returns which of some sessions that are not attached here any more have no record either: they have ended, while
// the others may come back or are on another node.
func (e *Server) withoutRecord(ctx context.Context, detached []string) []string {
	if len(detached) == 0 {
		return nil
	}
	slices.Sort(detached)
	ended, err := e.cfg.Records.TouchSessions(ctx, slices.Compact(detached), e.ttl())
	if err != nil {
		e.cfg.Log.Debug("sessions not looked for", "error", err) // their seats are kept until their time is over
	}
	return ended
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
			e.cfg.Log.Debug("seats not touched", "error", err) // while Redis is away; its reader has said so
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
