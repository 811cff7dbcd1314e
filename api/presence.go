package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/pandapush/pandapush"
)

// Rooms knows who is in which room. Presence returns a page of a room, the first for "". The error is
// pandapush.ErrInvalidCursor for a page that has no such name, or wraps pandapush.ErrUnavailable. It must be safe for
// concurrent use.
type Rooms interface {
	Presence(ctx context.Context, room pandapush.Channel, page string) (pandapush.Room, error)
}

// presence is GET /presence/<app>/<path>: who is in the room of that channel. Who may subscribe to it may ask; a token
// needs no presence of its own for that, since nobody joins by asking.
func (s *Server) presence(w http.ResponseWriter, r *http.Request) error {
	app := appOfPath(r)
	if err := s.admit(w, r, app); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/presence/"+string(app)+"/")
	room, err := pandapush.ParsePlainChannel("/" + string(app) + "/" + string(pandapush.Presence) + "/" + path)
	if !ok || err != nil {
		return noChannel(r)
	}
	grant, err := s.authority.Authorize(credentialIfAny(r), pandapush.Read, room.Pattern(), s.config.Now())
	if err != nil {
		return err
	}
	s.config.Keys.Used(grant.App, grant.Key)
	query := readParams(r)
	page := query.text("page")
	if query.err != nil {
		return query.err
	}
	found, err := s.config.Rooms.Presence(r.Context(), room, page)
	if errors.Is(err, pandapush.ErrInvalidCursor) {
		return badParam("page", "Takes the next of another page")
	}
	if err != nil {
		return fmt.Errorf("read room: %w", err)
	}
	send(w, http.StatusOK, typeJSON, encodeRoom(found))
	return nil
}

// encodeRoom returns a room as JSON. What its members say of themselves is passed on as it is.
func encodeRoom(room pandapush.Room) []byte {
	text := append([]byte(nil), `{"members":{`...)
	for i, m := range room.Members {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, encodeString(m.User)...)
		text = append(text, ':')
		text = append(text, m.Data...)
	}
	text = append(text, `},"count":`...)
	text = strconv.AppendInt(text, room.Count, 10)
	text = append(text, `,"cursor":"`...)
	text = room.Cursor.AppendText(text)
	text = append(text, '"')
	if room.Next != "" {
		text = append(text, `,"next":"`...)
		text = append(text, room.Next...)
		text = append(text, '"')
	}
	return append(text, '}')
}

// encodeString returns s as a JSON string.
func encodeString(s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always encodes
	}
	return text
}
