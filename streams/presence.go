package streams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// DefaultRoomPage is how many members of a room are returned at a time, about, when Config does not say otherwise.
const DefaultRoomPage = 1000

// touchBatch is how many leases one script renews: more would keep others waiting for milliseconds.
const touchBatch = 100

// JoinPresence gives a session a seat in a room for ttl, and returns the room as it is then: all of it if it has up to
// Config.RoomPage members, else a page that includes the member itself. first says that the session had no seat there as that
// user. If the user is new in the room, or its data has changed, a notice is appended to the stream; the room's cursor is at
// that notice, so that a reader that starts from there sees all changes but its own.
//
// A session has one seat in a room: when it joins as another user, it loses the previous one. The error wraps
// pandapush.ErrUnavailable or is ctx's; then the session may have a seat, until its ttl.
func (s *Streams) JoinPresence(ctx context.Context, seat pandapush.Seat, ttl time.Duration) (room pandapush.Room, first bool, err error) {
	cmd, err := s.seatCall(ctx, seat, ttl, s.cfg.RoomPage)
	if err == nil {
		err = s.of[bucketOf(seat.Room.App())].calls.do(ctx, cmd)
	}
	if err == nil {
		room, first, err = joined(seat.Room.App(), cmd)
	}
	if err != nil {
		return pandapush.Room{}, false, fmt.Errorf("join presence: %w", err)
	}
	s.metrics.seats.WithLabelValues(seatJoined).Inc()
	return room, first, nil
}

// RejoinPresence is JoinPresence for sessions that had their seats before and may have lost them: a user that is still there is
// not announced. The error wraps pandapush.ErrUnavailable or is ctx's; then some may have none.
func (s *Streams) RejoinPresence(ctx context.Context, seats []pandapush.Seat, ttl time.Duration) error {
	return s.eachSeat(ctx, "rejoin presence", seats, func(seat pandapush.Seat) (*script, error) {
		return s.seatCall(ctx, seat, ttl, -1)
	}, seatReturned)
}

// LeavePresence gives up seats; those that do not exist are ignored. When a user loses its last one, the room gets a notice.
// The error wraps pandapush.ErrUnavailable or is ctx's; then some seats may stay until their leases run out.
func (s *Streams) LeavePresence(ctx context.Context, seats []pandapush.Seat) error {
	return s.eachSeat(ctx, "leave presence", seats, func(seat pandapush.Seat) (*script, error) {
		return s.leaveCall(ctx, seat, false), nil
	}, seatLeft)
}

// eachSeat runs a script for each of some seats.
func (s *Streams) eachSeat(ctx context.Context, operation string, seats []pandapush.Seat, call func(pandapush.Seat) (*script, error), what string) error {
	for b, mine := range s.byBackend(len(seats), func(i int) string { return string(seats[i].Room.App()) }) {
		commands := make([]redis.Cmder, 0, len(mine))
		for _, i := range mine {
			cmd, err := call(seats[i])
			if err != nil {
				return fmt.Errorf("%s: %w", operation, err)
			}
			commands = append(commands, cmd)
		}
		if _, err := b.calls.doAll(ctx, commands); err != nil {
			return fmt.Errorf("%s: %w", operation, err)
		}
		for _, cmd := range commands {
			if err := cmd.Err(); err != nil {
				return fmt.Errorf("%s: %w", operation, unavailable(err))
			}
			s.metrics.seats.WithLabelValues(what).Inc()
		}
	}
	return nil
}

// seatCall returns the call of presence-join.lua.
func (s *Streams) seatCall(ctx context.Context, seat pandapush.Seat, ttl time.Duration, limit int64) (*script, error) {
	data, err := oneLine(seat.Member.Data)
	if err != nil {
		return nil, err
	}
	notice, err := compact(map[string]map[string]json.RawMessage{"subscribe": {seat.Member.User: data}})
	if err != nil {
		return nil, fmt.Errorf("notice: %w", err)
	}
	return s.roomCall(ctx, presenceJoinScript, seat.Room, seat.Session, seat.Member.User, []byte(data), notice, millis(ttl), limit), nil
}

// oneLine returns a presence object without white space between its parts, so that formatting makes no difference, and
// without invalid UTF-8, which would break the sockets of those that get it.
func oneLine(data json.RawMessage) (json.RawMessage, error) {
	var text bytes.Buffer
	if err := json.Compact(&text, bytes.ToValidUTF8(data, []byte("\uFFFD"))); err != nil {
		return nil, fmt.Errorf("presence object: %w", err)
	}
	return text.Bytes(), nil
}

// leaveCall returns the call of presence-leave.lua.
func (s *Streams) leaveCall(ctx context.Context, seat pandapush.Seat, expired bool) *script {
	return s.roomCall(ctx, presenceLeaveScript, seat.Room, seat.Session, flag(expired))
}

// roomCall returns the call of a script of a room.
func (s *Streams) roomCall(ctx context.Context, script lua, room pandapush.Channel, session string, args ...any) *script {
	app := room.App()
	common := []any{string(pandapush.NewEpoch(app)), string(app), s.maxLen(app), room.String(), session}
	return script.call(ctx, s.keys.room(room), append(common, args...)...)
}

func joined(app pandapush.AppID, cmd *script) (room pandapush.Room, first bool, err error) {
	reply, err := cmd.Slice()
	if err != nil {
		return room, false, unavailable(err)
	}
	if len(reply) != 6 {
		return room, false, fmt.Errorf("presence-join.lua returned %d values", len(reply))
	}
	room, err = decodeRoom(app, reply[1:])
	return room, reply[0] == int64(1), err
}

// Presence returns a page of a room, the first for page "". The error is pandapush.ErrInvalidCursor if there can be no such
// page; or it wraps pandapush.ErrUnavailable or is ctx's. A member that joins or leaves while the pages are read may be on none
// of them or on two; the notices after each page's cursor settle it.
func (s *Streams) Presence(ctx context.Context, room pandapush.Channel, page string) (pandapush.Room, error) {
	if page == "" {
		page = "0"
	} else if n, err := strconv.ParseUint(page, 10, 64); err != nil || n == 0 {
		return pandapush.Room{}, fmt.Errorf("presence: page: %w", pandapush.ErrInvalidCursor)
	}
	cmd := s.roomCall(ctx, presenceListScript, room, "", page, s.cfg.RoomPage)
	if err := s.of[bucketOf(room.App())].calls.do(ctx, cmd); err != nil {
		return pandapush.Room{}, fmt.Errorf("presence: %w", err)
	}
	reply, err := cmd.Slice()
	if err != nil {
		return pandapush.Room{}, fmt.Errorf("presence: %w", unavailable(err))
	}
	found, err := decodeRoom(room.App(), reply)
	if err != nil {
		return pandapush.Room{}, fmt.Errorf("presence: %w", err)
	}
	return found, nil
}

// decodeRoom reads what list of presence.lua returns.
func decodeRoom(app pandapush.AppID, reply []any) (room pandapush.Room, err error) {
	if len(reply) != 5 {
		return room, fmt.Errorf("a room of %d values", len(reply))
	}
	epoch, _ := reply[0].(string)
	last, _ := reply[1].(string)
	if room.Cursor, err = pandapush.ParseCursor(app, epoch+"-"+last); err != nil {
		return room, fmt.Errorf("cursor of the room: %w", err)
	}
	room.Count, _ = reply[2].(int64)
	if next, _ := reply[3].(string); next != "0" {
		room.Next = next
	}
	found, _ := reply[4].([]any)
	seen := make(map[string]bool, len(found)/2)
	for i := 0; i+1 < len(found); i += 2 {
		user, _ := found[i].(string)
		value, _ := found[i+1].(string)
		if _, data, ok := strings.Cut(value, " "); ok && !seen[user] { // else it grew while it was listed
			seen[user] = true
			room.Members = append(room.Members, pandapush.Member{User: user, Data: json.RawMessage(data)})
		}
	}
	return room, nil
}

// TouchPresence renews the leases of seats to ttl from now, and returns those that are gone. The error wraps
// pandapush.ErrUnavailable or is ctx's; then some may not have been reached, and gone has those that are known.
func (s *Streams) TouchPresence(ctx context.Context, seats []pandapush.Seat, ttl time.Duration) (gone []pandapush.Seat, err error) {
	var of [buckets][]pandapush.Seat
	for _, seat := range seats {
		b := bucketOf(seat.Room.App())
		of[b] = append(of[b], seat)
	}
	var errs []error
	for bucket, mine := range of {
		for len(mine) > 0 {
			batch := mine[:min(len(mine), touchBatch)]
			mine = mine[len(batch):]
			lost, err := s.touchBatch(ctx, bucket, batch, ttl)
			if err != nil {
				errs = append(errs, fmt.Errorf("touch presence: %w", err))
			}
			gone = append(gone, lost...)
		}
	}
	return gone, errors.Join(errs...)
}

func (s *Streams) touchBatch(ctx context.Context, bucket int, seats []pandapush.Seat, ttl time.Duration) (gone []pandapush.Seat, err error) {
	args := make([]any, 0, 1+len(seats))
	args = append(args, millis(ttl))
	for _, seat := range seats {
		args = append(args, lease(seat))
	}
	cmd := presenceTouchScript.call(ctx, []string{s.keys.leases(bucket)}, args...)
	if err := s.of[bucket].calls.do(ctx, cmd); err != nil {
		return nil, err
	}
	lost, err := cmd.Int64Slice()
	if err != nil {
		return nil, unavailable(err)
	}
	s.metrics.seats.WithLabelValues(seatTouched).Add(float64(len(seats) - len(lost)))
	for _, i := range lost {
		gone = append(gone, seats[i])
	}
	return gone, nil
}

// lease is the name of a seat's lease: presence.lua makes the same.
func lease(seat pandapush.Seat) string { return seat.Session + " " + seat.Room.String() }

// parseLease reads what lease writes. The member is not in it.
func parseLease(text string) (seat pandapush.Seat, err error) {
	session, room, _ := strings.Cut(text, " ")
	seat.Session = session
	seat.Room, err = pandapush.ParseChannel(room)
	return seat, err
}
