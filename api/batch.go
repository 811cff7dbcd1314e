package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/pandapush/pandapush"
)

// maxBatch bounds the messages of a batch: each channel of one that goes to several counts.
const maxBatch = 1000

// batch is POST /batch/<app>: many messages in one request. All of them are checked before any is stored.
func (s *Server) batch(w http.ResponseWriter, r *http.Request) error {
	mediaType, typeErr := mediaTypeOf(r.Header)
	if mediaType == typeLines {
		if err := answerEarly(w); err != nil {
			return err
		}
	}
	app := pandapush.AppID(strings.TrimPrefix(r.URL.EscapedPath(), "/batch/"))
	if err := s.admit(w, r, app); err != nil {
		return err
	}
	if !app.Valid() {
		return notFound(r)
	}
	grant, err := s.verify(r, app)
	if err != nil {
		return err
	}
	s.config.Keys.Used(grant.App, grant.Key)
	query := readParams(r)
	query.forbid("Is a field of each message", "ttl", "exclude")
	switch {
	case typeErr != nil:
		return typeErr
	case query.err != nil:
		return query.err
	case mediaType == typeLines:
		return s.stream(w, r, grant)
	case !isJSON(mediaType) && mediaType != typeForm: // which is what curl -d says
		return unsupported("Unsupported Content-Type: send a JSON array, or " + typeLines)
	case r.Header.Get(headerIfMatch) != "":
		return badParam(headerIfMatch, "Is for single messages")
	}
	key, err := onceKey(r, grant)
	if err != nil {
		return err
	}
	body, err := readBody(r, s.config.MaxBatchBody)
	if err != nil {
		return err
	}
	messages, err := s.parseBatch(grant, body)
	if err != nil {
		return err
	}
	if err := s.spend(r.Context(), w.Header(), grant, len(messages)); err != nil {
		return err
	}
	return s.store(w, r, messages, key, body)
}

// verify checks r's credential for app, whatever it allows.
func (s *Server) verify(r *http.Request, app pandapush.AppID) (pandapush.Grant, error) {
	credential, err := credentialOf(r)
	if err != nil {
		return pandapush.Grant{}, err
	}
	return s.authority.Verify(credential, app, s.config.Now())
}

// result is what became of one message: its id, or neither id nor error if it is not known to be stored.
type result struct {
	Channel string `json:"channel"`
	ID      string `json:"id,omitempty"`
}

// results is the answer to a batch: an element for each message and channel, in their order.
type results struct {
	Results []result `json:"results"`
}

// store appends messages, under a key if there is one: then all or none, and once.
func (s *Server) store(w http.ResponseWriter, r *http.Request, messages []pandapush.Message, key string, body []byte) error {
	var (
		cursors  []pandapush.Cursor
		repeated bool
		err      error
	)
	if key == "" {
		cursors, err = s.config.Stream.AppendAll(r.Context(), messages)
	} else {
		condition := pandapush.Condition{Key: key, Window: s.config.OnceWindow, Print: fingerprint("batch", string(body))}
		cursors, repeated, err = s.config.Stream.AppendIf(r.Context(), messages, condition)
	}
	all := make([]result, len(messages))
	for i := range messages {
		all[i].Channel = messages[i].Channel.String()
		if i < len(cursors) {
			all[i].ID = cursorText(cursors[i])
		}
	}
	if errors.Is(err, pandapush.ErrUnavailable) {
		p := *problemOf(err)
		p.stored = all
		return &p
	}
	if err != nil {
		return fmt.Errorf("append batch: %w", err)
	}
	if repeated {
		w.Header().Set(headerReplayed, "true")
	}
	sendJSON(w, http.StatusOK, results{all})
	return nil
}

// parseBatch reads a batch, and checks each of its messages. The error says which is wrong, as a JSON pointer.
func (s *Server) parseBatch(grant pandapush.Grant, body []byte) ([]pandapush.Message, error) {
	entries, err := parseEntries(body)
	if err != nil {
		return nil, err
	}
	messages := make([]pandapush.Message, 0, min(len(entries), maxBatch))
	for i := range entries {
		if messages, err = s.appendEntry(messages, grant, entries[i]); err != nil {
			return nil, inField(err, "/"+strconv.Itoa(i))
		}
		if len(messages) > maxBatch {
			return nil, inField(badRequest(fmt.Sprintf("A batch has at most %d messages", maxBatch)), "/"+strconv.Itoa(i))
		}
	}
	if len(messages) == 0 {
		return nil, badRequest("The batch is empty")
	}
	return messages, nil
}

// appendEntry checks an entry and appends the messages that it stands for.
func (s *Server) appendEntry(to []pandapush.Message, grant pandapush.Grant, e entry) ([]pandapush.Message, error) {
	m := pandapush.Message{Data: e.Data}
	if int64(len(e.Data)) > s.maxMessage(grant.App) {
		return nil, inField(pandapush.ErrMessageTooLarge, "/data")
	}
	if e.Exclude != nil {
		if m.Exclude = *e.Exclude; !validClientID(m.Exclude) {
			return nil, inField(badRequest(badClientID), "/exclude")
		}
	}
	if e.TTL != nil {
		var err error
		if m.Expires, err = s.expiry(grant.App, string(*e.TTL)); err != nil {
			return nil, inField(badRequest(sentence(err)), "/ttl")
		}
	}
	if e.Channel != "" {
		channel, err := s.target(grant, e.Channel)
		if err != nil {
			return nil, inField(err, "/channel")
		}
		m.Channel = channel
		return append(to, m), nil
	}
	for i, name := range e.Channels {
		channel, err := s.target(grant, name)
		if err != nil {
			return nil, inField(err, "/channels/"+strconv.Itoa(i))
		}
		m.Channel = channel
		to = append(to, m)
	}
	return to, nil
}

// target returns the channel of that name, if grant allows publishing there.
func (s *Server) target(grant pandapush.Grant, name string) (pandapush.Channel, error) {
	channel, err := pandapush.ParsePlainChannel(name)
	switch {
	case err != nil:
		return channel, badRequest(err.Error())
	case channel.App() != grant.App:
		return channel, badRequest("The channel is of another application than the URL")
	}
	return channel, grant.Allows(pandapush.Publish, channel.Pattern())
}
