package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
)

// maxExplained bounds the sessions of an answer.
const maxExplained = 100

// deliveryView is what became of a message on its way to one session.
type deliveryView struct {
	Connection connectionView `json:"connection"`
	Verdict    verdict        `json:"verdict"`
}

// deliveryQuestion is the body of a request.
type deliveryQuestion struct {
	Message    string `json:"message"`
	Connection string `json:"connection"`
	Client     string `json:"client"`
	User       string `json:"user"`
}

func (s *Server) explainDelivery(c *call) error {
	asked, err := decode[deliveryQuestion](c)
	if err != nil {
		return err
	}
	if asked.Message == "" {
		return invalid("message", "is empty")
	}
	progress, err := s.progress(c)
	if err != nil {
		return err
	}
	m, stored, err := s.explainMessage(c, asked.Message, progress.span)
	if err != nil {
		return err
	}
	found, complete, err := s.sessionsOf(c, asked)
	if err != nil {
		return err
	}
	sessions := []deliveryView{}
	for _, f := range found {
		v, err := progress.explain(f, m, stored)
		if err != nil {
			return err
		}
		sessions = append(sessions, v)
	}
	return c.reply(http.StatusOK, map[string]any{"message": stored, "sessions": sessions, "complete": complete})
}

// explainMessage says whether a message is stored. If it was and is not kept any more, only its cursor is known; if there was none,
// as far as can be told, that is zero, too.
func (s *Server) explainMessage(c *call, id string, span pandapush.Span) (m pandapush.Message, v verdict, err error) {
	v = verdict{OK: true, Summary: "The message is stored."}
	if m.Cursor, err = pandapush.ParseCursor(c.app.ID, id); err != nil {
		v.add("Id", stepFailed, "That is not the id of a message of this application.")
		return m, v, nil //nolint:nilerr // that is the verdict
	}
	v.add("Id", stepOK, "It was given at "+instant(timeOf(m.Cursor.Position))+".")
	if m.Cursor.Epoch != span.Epoch {
		v.add("Stream", stepFailed, "The stream that it was in has been lost; there is another one now.")
		return pandapush.Message{}, v, nil
	}
	v.add("Stream", stepOK, "It is of the stream that there is.")
	found, stored, err := s.findEntry(c.r.Context(), c.app.ID, m.Cursor)
	switch {
	case err != nil:
		return m, v, err
	case stored:
		v.add("Stored", stepOK, fmt.Sprintf("%d bytes on %s.", len(found.Data), found.Channel))
		if found.Expired(s.cfg.Now()) {
			v.add("Expiry", stepFailed, "It expired at "+instant(found.Expires)+": who comes later does not get it.")
		}
		return found, v, nil
	case m.Cursor.Position.Compare(span.Last) > 0:
		v.add("Stored", stepFailed, "Nothing so new has been stored.")
		m = pandapush.Message{}
	case m.Cursor.Position.Compare(span.First) <= 0:
		v.add("Stored", stepFailed, "If it was, it is no longer kept: the stream reaches back to "+instant(timeOf(span.First))+".")
	default:
		v.add("Stored", stepFailed, "There is no message with that id, though others of that time are there.")
		m = pandapush.Message{}
	}
	return m, v, nil
}

// sessionsOf finds the sessions that a question is about.
func (s *Server) sessionsOf(c *call, asked deliveryQuestion) (found []session, complete bool, err error) {
	if asked.Connection != "" {
		id, ok := s.cfg.Handles.Open(asked.Connection)
		if !ok {
			return nil, true, nil // a name that was never given names nobody
		}
		asked.Client = string(id)
	}
	if asked.Client != "" {
		stored, ttl, err := s.cfg.Sessions.Session(c.r.Context(), asked.Client)
		if errors.Is(err, pandapush.ErrNotFound) {
			return nil, true, nil
		}
		f := session{asked.Client, stored, ttl, ofApp(c.app.ID, stored)}
		if err != nil || len(f.subscriptions) == 0 && !c.user.SeesAll() {
			return nil, true, err
		}
		return []session{f}, true, nil
	}
	if asked.User == "" {
		return nil, true, nil
	}
	complete, err = s.eachSession(c.r.Context(), c.app.ID, func(f session) bool {
		if f.hasUser(asked.User) {
			found = append(found, f)
		}
		return len(found) < maxExplained
	})
	return found, complete, err
}

// explain says what became of m, as far as it is known, on its way to a session. stored is what is known of m itself.
func (p *progress) explain(f session, m pandapush.Message, stored verdict) (deliveryView, error) {
	view, err := p.view(f)
	if err != nil {
		return deliveryView{}, err
	}
	cursor, err := p.of(f)
	if err != nil {
		return deliveryView{}, err
	}
	v := verdict{OK: true, Summary: "The message has been handed to the session."}
	if m.Cursor == (pandapush.Cursor{}) {
		v.add("Message", stepFailed, stored.Summary)
		return deliveryView{view, v}, nil
	}
	p.explainSubscription(&v, f, m)
	p.explainProgress(&v, f, cursor, m.Cursor)
	return deliveryView{view, v}, nil
}

// explainSubscription says whether the session should get m.
func (p *progress) explainSubscription(v *verdict, f session, m pandapush.Message) {
	if m.Channel == (pandapush.Channel{}) {
		v.doubt("Subscription", "The message is not kept any more, so its channel is not known.")
	} else if patterns := f.matching(m.Channel); len(patterns) > 0 {
		v.add("Subscription", stepOK, "It has "+strings.Join(patterns, ", ")+".")
		p.explainBeginning(v, f, patterns, m.Cursor)
		p.explainGrant(v, f, patterns)
	} else {
		v.add("Subscription", stepFailed, "No subscription of the session matches "+m.Channel.String()+".")
	}
	if m.Exclude == f.id {
		v.add("Exclusion", stepFailed, "The publisher left this session out.")
	}
	if sent := timeOf(m.Cursor.Position); f.Created.After(sent) {
		v.add("Age", stepFailed, fmt.Sprintf("The session began %v after the message.", f.Created.Sub(sent).Round(time.Millisecond)))
	} else {
		v.add("Age", stepOK, "The session is older than the message.")
	}
}

// explainBeginning says whether the subscriptions are older than a message.
func (p *progress) explainBeginning(v *verdict, f session, patterns []string, at pandapush.Cursor) {
	switch f.beganBefore(patterns, at) {
	case stepOK:
		v.add("Beginning", stepOK, "The subscription began before the message.")
	case stepFailed:
		v.add("Beginning", stepFailed, "The subscription began after the message.")
	default:
		v.add("Beginning", stepUnknown, "When the subscription began is not known.")
	}
}

// explainGrant says whether what allowed the subscriptions still does.
func (p *progress) explainGrant(v *verdict, f session, patterns []string) {
	for _, pattern := range patterns {
		grant := f.subscriptions[pattern].Grant
		if grant.Key == "" {
			v.add("Grant", stepOK, "The channel is public.")
			return
		}
		if key, ok := p.s.cfg.Keys.Key(p.app, grant.Key); ok && key.RevokedAt.IsZero() {
			v.add("Grant", stepOK, "It was made with key "+string(key.ID)+", which is not revoked.")
			return
		}
	}
	v.add("Grant", stepFailed, "The key that it was made with is revoked or gone.")
}

// explainProgress says whether the session has got as far as the message.
func (p *progress) explainProgress(v *verdict, f session, cursor, at pandapush.Cursor) {
	from, answered := f.Answer.From[p.app]
	switch {
	case cursor.Epoch != at.Epoch:
		v.doubt("Handed on", "The session has no position in this stream yet.")
	case cursor.Position.Compare(at.Position) < 0:
		v.add("Handed on", stepFailed, fmt.Sprintf("The session is %.3f seconds of the stream before the message.",
			float64(at.Position.Millis-min(cursor.Position.Millis, at.Position.Millis))/1000))
	case answered && from.Epoch == at.Epoch && from.Position.Compare(at.Position) < 0:
		v.add("Handed on", stepOK, "The last answer to a poll goes past the message; the client has not said yet that it came.")
	default:
		v.add("Handed on", stepOK, "The session's position is past the message.")
	}
	if f.Attached {
		v.add("Connection", stepOK, "It has a socket or a poll on node "+f.Owner+".")
		return
	}
	left := f.ttl.Round(time.Second)
	v.add("Connection", stepUnknown, fmt.Sprintf("It has none now. It gets what it has missed if its client comes back within %v.", left))
}
