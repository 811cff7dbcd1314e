package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/pandapush/pandapush"
)

const (
	maxLooked = 5000     // entries that a request looks at
	lookChunk = 100      // at once: each may be as large as a message can be
	maxData   = 64 << 10 // bytes of an entry's data that a list shows
	maxPage   = 4 << 20  // bytes of data in a list
	maxReach  = 1000     // sessions that an entry is said to have reached
)

// entryView is a message as the API shows it.
type entryView struct {
	ID      string          `json:"id"`
	At      string          `json:"at"`
	Channel string          `json:"channel"`
	Size    int             `json:"size"`
	Data    json.RawMessage `json:"data"` // nil if it is too large
	Notice  bool            `json:"notice"`
}

// viewEntry shows a message, with its data if that has at most so many bytes.
func viewEntry(m pandapush.Message, most int) entryView {
	v := entryView{
		ID: m.Cursor.String(), At: instant(timeOf(m.Cursor.Position)), Channel: m.Channel.String(), Size: len(m.Data), Notice: m.Notice,
	}
	if len(m.Data) <= most && json.Valid(m.Data) {
		v.Data = m.Data
	}
	return v
}

// timeOf returns when the entry at p was stored, by Redis' clock.
func timeOf(p pandapush.Position) time.Time {
	return time.UnixMilli(int64(min(p.Millis, math.MaxInt64)))
}

// streamView is what is kept of an application's stream, and how much may be.
type streamView struct {
	Length    int64   `json:"length"`
	MaxLength int64   `json:"max_length"`
	OldestAt  *string `json:"oldest_at"`
	NewestAt  *string `json:"newest_at"`
	MaxAge    int64   `json:"max_age"` // seconds
}

func (s *Server) viewSpan(app pandapush.AppID, span pandapush.Span) streamView {
	length, age := s.cfg.Retention(app)
	v := streamView{Length: span.Length, MaxLength: length, MaxAge: int64(age.Seconds())}
	if span.Length > 0 {
		oldest := span.First
		if oldest.Seq == math.MaxUint64 { // the position before the first of a millisecond
			oldest.Millis++
		}
		v.OldestAt, v.NewestAt = moment(timeOf(oldest)), moment(timeOf(span.Last))
	}
	return v
}

// wantedEntries is what a list of entries is asked for.
type wantedEntries struct {
	pattern   *pandapush.Pattern // nil: all
	backwards bool               // from the newest to the oldest
	after     pandapush.Position
	upTo      pandapush.Position // zero: the end
	limit     int
}

func (s *Server) listEntries(c *call) error {
	span, err := s.cfg.Stream.Span(c.r.Context(), c.app.ID)
	if err != nil {
		return err
	}
	wanted, err := entriesOf(c, span)
	if err != nil {
		return err
	}
	entries, next, err := s.findEntries(c.r.Context(), c.app.ID, wanted)
	if err != nil {
		return err
	}
	answer := map[string]any{"entries": entries, "next": nil, "stream": s.viewSpan(c.app.ID, span)}
	if next != (pandapush.Position{}) {
		answer["next"] = pandapush.Cursor{Epoch: span.Epoch, Position: next}.String()
	}
	return c.reply(http.StatusOK, answer)
}

// entriesOf reads a request for a list.
func entriesOf(c *call, span pandapush.Span) (w wantedEntries, err error) {
	q := newQuery(c)
	name := q.text("channel", pandapush.MaxChannelLength)
	w.backwards = q.oneOf("order", "newest", "oldest") == "newest"
	w.limit = int(q.number("limit", 1, 500, 100))
	from, to := q.moment("from"), q.moment("to")
	cursorText := q.text("cursor", pandapush.MaxCursorLength)

	if pattern, err := pandapush.ParsePattern(name); name != "" {
		w.pattern = &pattern
		if err != nil || pattern.App() != c.app.ID {
			q.problem("channel", "is no channel or pattern of this application")
		}
	}
	if !from.IsZero() {
		w.after = pandapush.Position{Millis: uint64(from.UnixMilli())}.Prev()
	}
	if !to.IsZero() {
		w.upTo = pandapush.Position{Millis: uint64(to.UnixMilli()), Seq: math.MaxUint64}
	}
	if cursorText != "" {
		cursor, err := pandapush.ParseCursor(c.app.ID, cursorText)
		switch {
		case err != nil:
			q.problem("cursor", "is not from here")
		case cursor.Epoch != span.Epoch:
			q.problem("cursor", "is of a stream that was lost")
		case w.backwards:
			w.upTo = cursor.Position.Prev()
		default:
			w.after = cursor.Position
		}
	}
	return w, q.err()
}

// findEntries looks through the stream for a page. next is the position of the last entry that was looked at, zero if there
// are no more.
func (s *Server) findEntries(ctx context.Context, app pandapush.AppID, w wantedEntries) (entries []entryView, next pandapush.Position, err error) {
	entries = []entryView{}
	size := 0
	for looked := 0; looked < maxLooked; looked += lookChunk {
		read := s.cfg.Stream.Range
		if w.backwards {
			read = s.cfg.Stream.RangeBack
		}
		chunk, err := read(ctx, app, w.after, w.upTo, lookChunk)
		if err != nil {
			return nil, next, err
		}
		for _, m := range chunk {
			next = m.Cursor.Position
			if w.pattern != nil && !w.pattern.Matches(m.Channel) {
				continue
			}
			v := viewEntry(m, maxData)
			entries = append(entries, v)
			if size += len(v.Data); len(entries) == w.limit || size > maxPage {
				return entries, next, nil
			}
		}
		if len(chunk) < lookChunk {
			return entries, pandapush.Position{}, nil
		}
		if w.backwards {
			w.upTo = next.Prev()
		} else {
			w.after = next
		}
	}
	return entries, next, nil
}

// findEntry returns the message with an id, and whether it is stored.
func (s *Server) findEntry(ctx context.Context, app pandapush.AppID, at pandapush.Cursor) (m pandapush.Message, stored bool, err error) {
	found, err := s.cfg.Stream.Range(ctx, app, at.Position.Prev(), at.Position, 1)
	if err != nil || len(found) == 0 || found[0].Cursor != at {
		return m, false, err
	}
	return found[0], true, nil
}

// reachView says whether a message came to a session.
type reachView struct {
	Connection connectionView `json:"connection"`
	State      string         `json:"state"` // received, waiting, missed
	Detail     string         `json:"detail"`
}

func (s *Server) getEntry(c *call) error {
	at, err := pandapush.ParseCursor(c.app.ID, c.param("entryId"))
	if err != nil {
		return pandapush.ErrNotFound
	}
	m, stored, err := s.findEntry(c.r.Context(), c.app.ID, at)
	if err != nil {
		return err
	}
	if !stored {
		return pandapush.ErrNotFound
	}
	progress, err := s.progress(c)
	if err != nil {
		return err
	}
	reached := []reachView{}
	var viewErr error
	complete, err := s.eachSession(c.r.Context(), c.app.ID, func(found session) bool {
		if len(found.matching(m.Channel)) == 0 {
			return true
		}
		var v reachView
		if v, viewErr = progress.reach(found, m); viewErr != nil {
			return false
		}
		reached = append(reached, v)
		return len(reached) < maxReach
	})
	if err := cmp.Or(viewErr, err); err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"entry": viewEntry(m, math.MaxInt), "reached": reached, "complete": complete})
}

// reach says whether m came to a session that subscribes to its channel.
func (p *progress) reach(f session, m pandapush.Message) (v reachView, err error) {
	if v.Connection, err = p.view(f); err != nil {
		return v, err
	}
	cursor, err := p.of(f)
	if err != nil {
		return v, err
	}
	sent := timeOf(m.Cursor.Position)
	switch {
	case m.Exclude == f.id:
		v.State, v.Detail = "missed", "The publisher left this session out."
	case f.Created.After(sent):
		v.State, v.Detail = "missed", fmt.Sprintf("The session began %v after the message.", f.Created.Sub(sent).Round(time.Millisecond))
	case f.beganBefore(f.matching(m.Channel), m.Cursor) == stepFailed:
		v.State, v.Detail = "missed", "The subscription began after the message."
	case cursor.Epoch != m.Cursor.Epoch:
		v.State, v.Detail = "missed", "The session has a position in another stream: this one was lost or made anew."
	case cursor.Position.Compare(m.Cursor.Position) < 0:
		v.State, v.Detail = "waiting", "The session has not got so far yet."
	default:
		v.State, v.Detail = "received", "The session's position is past the message."
	}
	return v, nil
}
