package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
)

// publish is POST /channel/<app>/<kind>/<path>: one message, acknowledged once it is stored.
func (s *Server) publish(w http.ResponseWriter, r *http.Request) error {
	// The path is taken as the client wrote it: an escape is not in the grammar, so that a channel has one URL.
	name := strings.TrimPrefix(r.URL.EscapedPath(), "/channel")
	channel, err := pandapush.ParsePlainChannel(name)
	if err := s.admit(w, r, appOfPath(r)); err != nil {
		return err
	}
	if err != nil || channel.Kind() == pandapush.Meta {
		return noChannel(r)
	}
	cursor, repeated, err := s.accept(w, r, channel)
	if err != nil {
		return err
	}
	id := cursor.String()
	w.Header().Set("X-Message-Id", id)
	if repeated {
		w.Header().Set(headerReplayed, "true")
	}
	if prefersJSON(r.Header) {
		sendJSON(w, http.StatusOK, published{id})
	} else {
		send(w, http.StatusOK, typeHTML, []byte("OK"))
	}
	return nil
}

// published is the answer to a publish for clients that prefer JSON.
type published struct {
	ID string `json:"id"`
}

// accept checks a publish, the cheap things first, and appends its message.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, channel pandapush.Channel) (at pandapush.Cursor, repeated bool, err error) {
	credential, err := credentialOf(r)
	if err != nil {
		return at, false, err
	}
	grant, err := s.authority.Authorize(credential, pandapush.Publish, channel.Pattern(), s.config.Now())
	if err != nil {
		return at, false, err
	}
	s.config.Keys.Used(grant.App, grant.Key)
	message, condition, err := s.options(r, grant)
	if err != nil {
		return at, false, err
	}
	if err := s.spend(r.Context(), w.Header(), grant, 1); err != nil {
		return at, false, err
	}
	message.Channel = channel
	if message.Data, err = readPayload(r, s.maxMessage(grant.App)); err != nil {
		return at, false, err
	}
	if condition == (pandapush.Condition{}) {
		at, err = s.config.Stream.Append(r.Context(), message)
	} else {
		condition.Print = fingerprint(channel.String(), message.Exclude, r.URL.Query().Get("ttl"), string(message.Data))
		at, repeated, err = s.appendIf(r, message, condition)
	}
	if err != nil {
		return at, false, fmt.Errorf("append message: %w", err)
	}
	return at, repeated, nil
}

func (s *Server) appendIf(r *http.Request, m pandapush.Message, c pandapush.Condition) (at pandapush.Cursor, repeated bool, err error) {
	cursors, repeated, err := s.config.Stream.AppendIf(r.Context(), []pandapush.Message{m}, c)
	if err != nil {
		return at, false, err
	}
	return cursors[0], repeated, nil
}

// maxMessage returns how large the payload of a message of app may be, in bytes.
func (s *Server) maxMessage(app pandapush.AppID) int64 {
	if most := s.config.Keys.Settings(app).MaxMessageBytes; most > 0 {
		return int64(most)
	}
	return s.config.MaxBody
}

// options reads what a publish says beside its body: who does not get the message, until when anybody does, and on what
// condition it is stored.
func (s *Server) options(r *http.Request, grant pandapush.Grant) (m pandapush.Message, c pandapush.Condition, err error) {
	query := readParams(r)
	if m.Exclude = query.text("exclude"); query.values["exclude"] != nil && !validClientID(m.Exclude) {
		query.fail("exclude", badClientID)
	}
	if ttl := query.text("ttl"); query.values["ttl"] != nil {
		if m.Expires, err = s.expiry(grant.App, ttl); err != nil {
			query.fail("ttl", sentence(err))
		}
	}
	if query.err != nil {
		return m, c, query.err
	}
	if c.Key, err = onceKey(r, grant); err != nil {
		return m, c, err
	}
	if c.Key != "" {
		c.Window = s.config.OnceWindow
	}
	c.After, err = ifMatch(r, grant.App)
	return m, c, err
}

// expiry returns when a message of app with that time to live, which is published now, expires.
func (s *Server) expiry(app pandapush.AppID, ttl string) (time.Time, error) {
	most := s.config.HistoryAge
	if age := s.config.Keys.Settings(app).HistoryAge; age > 0 {
		most = age
	}
	d, err := parseTTL(ttl, most)
	return s.config.Now().Add(d), err
}

// sentence returns an error's text for a client, with a capital.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
