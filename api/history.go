package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
)

const (
	defaultLimit = 100
	maxLimit     = 1000

	// What one request may have Redis read. A page that would take more ends early, with a cursor to go on from.
	scanEntries = 5000
	scanBytes   = 4 << 20
	scanPage    = 100 // entries at a time
)

// read is GET /channel/<app>/<kind>/<path or pattern>: what is kept of the channels that match, or, for who asks for
// server-sent events, what comes.
func (s *Server) read(w http.ResponseWriter, r *http.Request) error {
	if err := s.admit(w, r, appOfPath(r)); err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept")
	w.Header().Set("Cache-Control", "no-store")
	name := strings.TrimPrefix(r.URL.EscapedPath(), "/channel")
	name = strings.NewReplacer("%2A", "*", "%2a", "*").Replace(name) // what some libraries make of an asterisk
	pattern, err := pandapush.ParsePlainPattern(name)
	if err != nil {
		return noChannel(r)
	}
	if wantsEvents(r.Header) && s.config.Follower != nil {
		return s.follow(w, r, pattern)
	}
	grant, err := s.authority.Authorize(credentialIfAny(r), pandapush.Read, pattern, s.config.Now())
	if err != nil {
		return err
	}
	if grant.Key != "" {
		s.config.Keys.Used(grant.App, grant.Key)
	}
	return s.history(w, r, pattern)
}

// history answers with a page of messages.
func (s *Server) history(w http.ResponseWriter, r *http.Request, pattern pandapush.Pattern) error {
	q, err := readHistory(r, pattern)
	if err != nil {
		return err
	}
	span, err := s.config.Stream.Span(r.Context(), pattern.App())
	if err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	if err := s.bound(r.Context(), q, span); err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	page, err := s.scan(r.Context(), q)
	if err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	if q.since.Epoch != "" && page.entries > 0 { // the stream may have been trimmed while it was read
		now, err := s.config.Stream.Span(r.Context(), pattern.App())
		if err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		q.findGap(now)
	}
	send(w, http.StatusOK, typeJSON, page.encode(span, q.gap))
	return nil
}

// historyQuery is what a request wants to read.
type historyQuery struct {
	pattern   pandapush.Pattern
	limit     int
	backwards bool // newest first
	reverse   bool // and turned round at the end: since is a number

	since, until       pandapush.Cursor // zero: not given
	sinceAge, untilAge time.Duration    // or so long ago

	// Set by bound.
	epoch       pandapush.Epoch
	after, upTo pandapush.Position
	gap         *gap
}

// gap says what of the past that was asked for is not there.
type gap struct {
	Reason string `json:"reason"`
	From   string `json:"from"` // the cursor that was given
	To     string `json:"to"`   // where what is there begins
}

// readHistory reads the parameters.
func readHistory(r *http.Request, pattern pandapush.Pattern) (*historyQuery, error) {
	query, q := readParams(r), &historyQuery{pattern: pattern}
	query.forbid("Is for event streams", "channel")
	switch order := query.text("order"); {
	case order == "newest", query.values["order"] == nil:
		q.backwards = true
	case order != "oldest":
		query.fail("order", "Takes newest or oldest")
	}
	q.limit = query.number("limit", 1, maxLimit, defaultLimit)
	if n, err := strconv.Atoi(query.text("since")); err == nil {
		if n < 1 || n > maxLimit {
			query.fail("since", takesStart)
		}
		query.forbid("Conflicts with a number of messages in since", "limit")
		q.limit, q.reverse, q.backwards = n, !q.backwards, true
	} else {
		q.since, q.sinceAge = query.moment(pattern.App(), "since", takesStart)
	}
	q.until, q.untilAge = query.moment(pattern.App(), "until", `Takes a cursor, or a time ago like "2m"`)
	if q.untilAge > q.sinceAge && q.sinceAge > 0 {
		query.fail("until", "Is before since")
	}
	return q, query.err
}

// moment returns a parameter that is a cursor or a time ago; both are zero if it is not given.
func (p *params) moment(app pandapush.AppID, name, takes string) (pandapush.Cursor, time.Duration) {
	text := p.text(name)
	if text == "" && p.values[name] == nil {
		return pandapush.Cursor{}, 0
	}
	if age, err := time.ParseDuration(text); err == nil && age > 0 {
		return pandapush.Cursor{}, age
	}
	cursor, err := pandapush.ParseCursor(app, text)
	if err != nil {
		p.fail(name, takes)
	}
	return cursor, 0
}

// bound finds out which part of the stream is asked for.
func (s *Server) bound(ctx context.Context, q *historyQuery, span pandapush.Span) error {
	q.epoch, q.upTo = span.Epoch, span.Last
	switch {
	case q.until.Epoch != "" && q.until.Epoch != span.Epoch:
		return badParam("until", "Is of a stream that is gone")
	case q.until.Epoch != "":
		if q.until.Position.Compare(q.upTo) < 0 {
			q.upTo = q.until.Position
		}
	case q.untilAge > 0:
		at, err := s.config.Stream.Rewind(ctx, q.pattern.App(), 0, q.untilAge)
		if err != nil {
			return err
		}
		q.upTo = at.Position
	}
	switch {
	case q.since.Epoch != "":
		q.after = q.since.Position
		if why := q.findGap(span); why != "" && why != pandapush.GapTrimmed { // it is another stream, and all of it is news
			q.after = pandapush.Position{}
		}
		if q.until.Epoch != "" && q.until.Position.Compare(q.after) < 0 {
			return badParam("until", "Is before since")
		}
	case q.sinceAge > 0:
		at, err := s.config.Stream.Rewind(ctx, q.pattern.App(), 0, q.sinceAge)
		if err != nil {
			return err
		}
		q.after = at.Position
	}
	return nil
}

// findGap notes why the stream may lack something after the cursor in since, if that has not been noted before, and returns
// it; "" if it has everything.
func (q *historyQuery) findGap(span pandapush.Span) (why string) {
	if why = span.Gap(q.since); why != "" && q.gap == nil {
		q.gap = &gap{why, q.since.String(), pandapush.Cursor{Epoch: span.Epoch, Position: span.First}.String()}
	}
	return why
}

// historyPage is what was found.
type historyPage struct {
	messages []pandapush.Message
	entries  int              // that were looked at
	next     pandapush.Cursor // where to go on; zero if there is no more
}

// scan reads entries until there are enough that match, or too many that don't.
func (s *Server) scan(ctx context.Context, q *historyQuery) (page historyPage, err error) {
	now := s.config.Now()
	for bytes, more := 0, true; more; {
		if q.after.Compare(q.upTo) >= 0 {
			return page.turned(q), nil
		}
		if len(page.messages) == q.limit || page.entries >= scanEntries || bytes >= scanBytes {
			page.next = pandapush.Cursor{Epoch: q.epoch, Position: q.after}
			if q.backwards {
				page.next.Position = q.upTo
			}
			return page.turned(q), nil
		}
		read := s.config.Stream.Range
		if q.backwards {
			read = s.config.Stream.RangeBack
		}
		found, err := read(ctx, q.pattern.App(), q.after, q.upTo, scanPage)
		if err != nil {
			return page, err
		}
		more = len(found) == scanPage
		for i := range found {
			m := &found[i]
			if m.Cursor.Epoch != q.epoch {
				return page, fmt.Errorf("the stream was lost meanwhile: %w", pandapush.ErrUnavailable)
			}
			if len(page.messages) == q.limit || bytes >= scanBytes {
				more = true
				break
			}
			page.entries, bytes = page.entries+1, bytes+len(m.Data)
			q.pass(m.Cursor.Position)
			if from, why, ok := m.Gap(); ok && q.since.Epoch != "" && q.gap == nil {
				q.gap = &gap{why, from.String(), m.Cursor.String()}
			}
			if q.pattern.Matches(m.Channel) && !m.Expired(now) {
				page.messages = append(page.messages, *m)
			}
		}
	}
	return page.turned(q), nil
}

// pass moves the bounds beyond an entry that has been looked at.
func (q *historyQuery) pass(at pandapush.Position) {
	if q.backwards {
		q.upTo = at.Prev()
	} else {
		q.after = at
	}
}

// turned returns the page in the order that was asked for.
func (p historyPage) turned(q *historyQuery) historyPage {
	if q.reverse {
		slices.Reverse(p.messages)
	}
	return p
}

// encode returns the page as JSON. The publishers' bytes are in it as they came.
func (p historyPage) encode(span pandapush.Span, g *gap) []byte {
	size := 256
	for i := range p.messages {
		size += len(p.messages[i].Data) + len(p.messages[i].Channel.String()) + 96
	}
	out := append(make([]byte, 0, size), `{"messages":[`...)
	for i := range p.messages {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendMessage(out, &p.messages[i])
	}
	out = append(out, `],"cursor":"`...)
	out = pandapush.Cursor{Epoch: span.Epoch, Position: span.Last}.AppendText(out)
	out = append(out, '"')
	if p.next.Epoch != "" {
		out = append(p.next.AppendText(append(out, `,"next":"`...)), '"')
	}
	if g != nil {
		out = append(append(out, `,"gap":`...), marshal(g)...)
	}
	return append(out, '}')
}

// appendMessage appends {"id":…,"channel":…,"data":…} to out. The channel is valid and the data JSON, so neither needs to be
// looked at.
func appendMessage(out []byte, m *pandapush.Message) []byte {
	out = append(out, `{"id":"`...)
	out = m.Cursor.AppendText(out)
	out = append(out, `","channel":"`...)
	out = append(out, m.Channel.String()...)
	out = append(out, `","data":`...)
	out = append(out, m.Data...)
	if m.Notice {
		out = append(out, `,"notice":true`...)
	}
	return append(out, '}')
}
