package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/pandapush/pandapush"
)

// Follower answers requests with event streams. It must be safe for concurrent use.
type Follower interface {
	// Follow answers r with the messages that the patterns of wanted match, as server-sent events, with the headers that w
	// has. The patterns are of one application, each with the grant that allows it. The stream begins after since: a
	// cursor, a number of messages, a time to go back, or "" for now.
	//
	// It returns nil when the stream has begun; that goes on after it has returned. An error is returned before anything is
	// written: a pandapush.Refusal, or one that wraps pandapush.ErrUnavailable.
	Follow(w http.ResponseWriter, r *http.Request, wanted map[pandapush.Pattern]pandapush.Grant, since string) error
}

// follow is GET /channel/<app>/<kind>/<path or pattern> as an event stream, of that channel and of those that its channel
// parameters name.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	allowAnyOrigin(w.Header())
	patterns, err := patternsOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	wanted, err := s.authorizeAll(r, patterns)
	if err == nil {
		since := r.Header.Get("Last-Event-ID") // is later than what the URL says
		if since == "" {
			since = r.URL.Query().Get("since")
		}
		err = s.config.Follower.Follow(w, r, wanted, since)
	}
	if err != nil {
		s.fail(w, r, err)
	}
}

// read is GET /channel/…, which answers with what the client asks for.
func (s *Server) read(w http.ResponseWriter, r *http.Request) {
	if prefersEvents(r.Header) {
		s.follow(w, r)
		return
	}
	allowAnyOrigin(w.Header())
	s.fail(w, r, &problem{http.StatusNotAcceptable, "Ask for an event stream, with Accept: " + typeEvents})
}

// prefersEvents reports whether the client would rather have an event stream than JSON. It must name it: a client that
// takes anything wants a response that ends.
func prefersEvents(h http.Header) bool {
	accept := strings.ToLower(strings.Join(h.Values("Accept"), ","))
	events := quality(accept, typeEvents)
	return strings.Contains(accept, typeEvents) && events > 0 && events >= quality(accept, "application/json")
}

// patternsOf returns what the path and the channel parameters of a GET name. All must be of one application, since a cursor
// is a place in one application's stream.
func patternsOf(r *http.Request) ([]pandapush.Pattern, error) {
	name := strings.TrimPrefix(r.URL.EscapedPath(), "/channel")
	name = strings.NewReplacer("%2A", "*", "%2a", "*").Replace(name) // what some libraries make of an asterisk
	first, err := pandapush.ParsePlainPattern(name)
	if err != nil {
		return nil, notFound(r)
	}
	patterns := []pandapush.Pattern{first}
	for _, name := range r.URL.Query()["channel"] {
		pattern, err := pandapush.ParsePlainPattern(name)
		if err != nil {
			return nil, err
		}
		if pattern.App() != first.App() {
			return nil, badRequest("All channels of one stream belong to one application")
		}
		patterns = append(patterns, pattern)
	}
	return patterns, nil
}

// authorizeAll decides whether the request's credential allows to subscribe to each of patterns. Public channels need none.
func (s *Server) authorizeAll(r *http.Request, patterns []pandapush.Pattern) (map[pandapush.Pattern]pandapush.Grant, error) {
	credential, missing := credentialOf(r)
	grants := make(map[pandapush.Pattern]pandapush.Grant, len(patterns))
	for _, pattern := range patterns {
		grant, err := pandapush.Authorize(s.config.Keys, credential, pandapush.Subscribe, pattern, s.config.Now())
		if errors.Is(err, pandapush.ErrNoAuth) {
			return nil, missing
		}
		if err != nil {
			return nil, err
		}
		grants[pattern] = grant
	}
	return grants, nil
}
