package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/pandapush/pandapush"
)

// publish is POST /channel/<app>/<kind>/<path>: one message, acknowledged once it is stored.
func (s *Server) publish(w http.ResponseWriter, r *http.Request) {
	allowAnyOrigin(w.Header())
	cursor, err := s.accept(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	id := cursor.String()
	w.Header().Set("X-Message-Id", id)
	if prefersJSON(r.Header) {
		sendJSON(w, http.StatusOK, published{id})
		return
	}
	send(w, http.StatusOK, typeHTML, []byte("OK"))
}

// published is the answer to a publish for clients that prefer JSON.
type published struct {
	ID string `json:"id"`
}

// accept checks a publish, the cheap things first, and appends its message.
func (s *Server) accept(r *http.Request) (pandapush.Cursor, error) {
	// The path is taken as the client wrote it: an escape is not in the grammar, so that a channel has one URL.
	name := strings.TrimPrefix(r.URL.EscapedPath(), "/channel")
	channel, err := pandapush.ParsePlainChannel(name)
	if err != nil || channel.Kind() == pandapush.Meta {
		return pandapush.Cursor{}, notFound(r)
	}
	credential, err := credentialOf(r)
	if err != nil {
		return pandapush.Cursor{}, err
	}
	grant, err := pandapush.Authorize(s.config.Keys, credential, pandapush.Publish, channel.Pattern(), s.config.Now())
	if err != nil {
		return pandapush.Cursor{}, err
	}
	s.config.Keys.Used(grant.App, grant.Key)
	data, err := readPayload(r, s.config.MaxBody)
	if err != nil {
		return pandapush.Cursor{}, err
	}
	cursor, err := s.config.Stream.Append(r.Context(), pandapush.Message{Channel: channel, Data: data})
	if err != nil {
		return pandapush.Cursor{}, fmt.Errorf("append message: %w", err)
	}
	return cursor, nil
}

// preflight answers a browser that asks whether a page of another origin may publish and follow.
func preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	allowAnyOrigin(h)
	h.Set("Allow", "GET, OPTIONS, POST")
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "7200") // seconds; browsers cap it there or lower
	w.WriteHeader(http.StatusNoContent)
}

// allowAnyOrigin lets pages of any origin read the response. That is safe since credentials are never ambient: there are
// no cookies, and a page can only send a token that it has.
func allowAnyOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "X-Message-Id, X-Request-Id, Retry-After")
}
