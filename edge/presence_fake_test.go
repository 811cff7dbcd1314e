package edge

import (
	"context"
	"encoding/json"
	"time"

	"github.com/pandapush/pandapush"
)

// memoryRoom is a room of memory, in place of Redis: the sessions that are seated there. Leases do not end by themselves.
type memoryRoom struct {
	seats map[string]string          // session to user
	users map[string]json.RawMessage // what is known of each
}

func (m *memory) roomLocked(channel pandapush.Channel) *memoryRoom {
	if m.rooms == nil {
		m.rooms = map[string]*memoryRoom{}
	}
	r := m.rooms[channel.String()]
	if r == nil {
		r = &memoryRoom{seats: map[string]string{}, users: map[string]json.RawMessage{}}
		m.rooms[channel.String()] = r
	}
	return r
}

// tellLocked appends a notice.
func (m *memory) tellLocked(channel pandapush.Channel, verb, user string, data json.RawMessage) {
	text, err := json.Marshal(map[string]map[string]json.RawMessage{verb: {user: data}})
	if err == nil {
		_, err = m.appendLocked(pandapush.Message{Channel: channel, Data: text, Notice: true})
	}
	if err != nil {
		panic(err)
	}
}

func (m *memory) leaveLocked(seat pandapush.Seat) {
	room := m.roomLocked(seat.Room)
	user, ok := room.seats[seat.Session]
	if !ok {
		return
	}
	delete(room.seats, seat.Session)
	for _, other := range room.seats {
		if other == user {
			return
		}
	}
	delete(room.users, user)
	m.tellLocked(seat.Room, "unsubscribe", user, json.RawMessage("null"))
}

func (m *memory) seatLocked(seat pandapush.Seat, again bool) (first bool) {
	room := m.roomLocked(seat.Room)
	user := seat.Member.User
	had, ok := room.seats[seat.Session]
	if ok && had != user {
		m.leaveLocked(seat)
	}
	room.seats[seat.Session] = user
	if known, here := room.users[user]; !here || !again && string(known) != string(seat.Member.Data) {
		room.users[user] = seat.Member.Data
		m.tellLocked(seat.Room, "subscribe", user, seat.Member.Data)
	}
	return had != user
}

func (m *memory) JoinPresence(_ context.Context, seat pandapush.Seat, _ time.Duration) (room pandapush.Room, first bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return room, false, m.away
	}
	first = m.seatLocked(seat, false)
	for user, data := range m.roomLocked(seat.Room).users {
		room.Members = append(room.Members, pandapush.Member{User: user, Data: data})
	}
	s := m.streamLocked(seat.Room.App())
	room.Count, room.Cursor = int64(len(room.Members)), pandapush.Cursor{Epoch: s.epoch, Position: s.last}
	return room, first, nil
}

func (m *memory) RejoinPresence(_ context.Context, seats []pandapush.Seat, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, seat := range seats {
		if m.away == nil {
			m.seatLocked(seat, true)
		}
	}
	return m.away
}

func (m *memory) LeavePresence(_ context.Context, seats []pandapush.Seat) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, seat := range seats {
		if m.away == nil {
			m.leaveLocked(seat)
		}
	}
	return m.away
}

func (m *memory) TouchPresence(_ context.Context, seats []pandapush.Seat, _ time.Duration) (gone []pandapush.Seat, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, seat := range seats {
		if _, ok := m.roomLocked(seat.Room).seats[seat.Session]; !ok {
			gone = append(gone, seat)
		}
	}
	return gone, m.away
}

// endSeatsLocked takes a session that has ended from its seats.
func (m *memory) endSeatsLocked(id string, s pandapush.Session) {
	for text := range s.Subscriptions {
		if room, err := pandapush.ParseChannel(text); err == nil && room.Kind() == pandapush.Presence {
			m.leaveLocked(pandapush.Seat{Room: room, Session: id})
		}
	}
}
