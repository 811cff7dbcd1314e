package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/pandapush/pandapush"
)

const typeEvents = "text/event-stream"

// maxFollowed bounds the patterns of one event stream.
const maxFollowed = 100

var takesStart = fmt.Sprintf(`Takes a cursor, 1 to %d messages, or a time ago like "2m"`, maxLimit)

// Follower streams messages to a client as server-sent events.
type Follower interface {
	// Follow answers r with the messages that the patterns of wanted match, all of one application, each with the grant that
	// allows it. They begin after since: a cursor, a number of messages ("10"), a time ("2m"), or "" for now. It returns nil
	// once the stream has begun, whether or not it is over. Before that nothing is written, and the error is a
	// pandapush.Refusal or wraps pandapush.ErrUnavailable.
	Follow(w http.ResponseWriter, r *http.Request, wanted map[pandapush.Pattern]pandapush.Grant, since string) error
}

// follow is GET /channel/<app>/<kind>/<path or pattern> with Accept: text/event-stream. Further patterns are channel
// parameters.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, first pandapush.Pattern) error {
	query := readParams(r)
	since, from := query.text("since"), "since"
	if since == "" && query.values["since"] != nil {
		query.fail("since", takesStart)
	}
	query.forbid("Is for reading what was, not for an event stream", "until", "limit", "order")
	if len(query.values["channel"]) >= maxFollowed {
		query.fail("channel", fmt.Sprintf("An event stream has at most %d channels", maxFollowed))
	}
	if query.err != nil {
		return query.err
	}
	// A browser that comes back asks for the same URL, and says in the header how far it has got since.
	if id := r.Header.Get(headerLastEvent); id != "" {
		since, from = id, headerLastEvent
	}
	wanted := make(map[pandapush.Pattern]pandapush.Grant)
	if err := s.want(r, wanted, first); err != nil {
		return err
	}
	for _, name := range query.values["channel"] {
		pattern, err := pandapush.ParsePlainPattern(name)
		switch {
		case err != nil:
			return badParam("channel", err.Error())
		case pattern.App() != first.App():
			return badParam("channel", "All channels of an event stream are of one application")
		}
		if err := s.want(r, wanted, pattern); err != nil {
			return err
		}
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", typeEvents)
		w.WriteHeader(http.StatusOK)
		return nil
	}
	err := s.config.Follower.Follow(w, r, wanted, since)
	switch {
	case errors.Is(err, pandapush.ErrInvalidCursor):
		return badParam(from, takesStart)
	case errors.Is(err, pandapush.ErrTooManySubs):
		return badParam("channel", err.Error())
	case err != nil:
		return fmt.Errorf("follow: %w", err)
	}
	return nil
}

// want adds a pattern to what is wanted, if r may subscribe to it.
func (s *Server) want(r *http.Request, wanted map[pandapush.Pattern]pandapush.Grant, pattern pandapush.Pattern) error {
	grant, err := s.authority.Authorize(credentialIfAny(r), pandapush.Subscribe, pattern, s.config.Now())
	if err == nil {
		wanted[pattern] = grant
	}
	return err
}
