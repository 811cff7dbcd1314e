package streams

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
)

// The fields of a session's record. Those that are empty, "0" or zero may be missing. Fields beside them are ignored, so that
// later versions may add some.
const (
	fieldOwner    = "owner"
	fieldFence    = "fence"
	fieldAttached = "attached" // "1" or "0"
	fieldBehind   = "behind"   // "1" or "0"
	fieldCreated  = "created"  // Unix milliseconds
	fieldAck      = "ack"      // "1" or "0"
	fieldExpiry   = "expiry"   // "1" or "0"
	fieldAnswer   = "answer"   // storedAnswer as JSON, or ""
	fieldFormer   = "former"   // a node, a blank, and Unix milliseconds; written by session-claim.lua

	fieldTransport = "transport"
	fieldUserAgent = "agent"

	// "s:<pattern>" holds a subscription: its beginning or nothing, a blank, and storedGrant as JSON. Scripts change the
	// one and pass on the other.
	fieldSubscription = "s:"
	fieldCursor       = "c:" // "c:<application>" holds a cursor
)

// storedGrant is a pandapush.Grant in few bytes: there is one for each subscription.
type storedGrant struct {
	Began    string          `json:"b,omitempty"` // not the grant's but the subscription's; first, since session-change.lua looks for it there
	App      pandapush.AppID `json:"a,omitempty"`
	Scope    string          `json:"c,omitempty"`
	Pub      bool            `json:"p,omitempty"`
	Sub      bool            `json:"s,omitempty"`
	Presence json.RawMessage `json:"r,omitempty"`
	User     string          `json:"u,omitempty"`
	Key      pandapush.KeyID `json:"k,omitempty"`
	Expires  int64           `json:"x,omitempty"` // Unix milliseconds, rounded down; 0 = never
	Snapshot string          `json:"n,omitempty"` // not the grant's but the subscription's
}

// storedAnswer is a pandapush.Answer.
type storedAnswer struct {
	ID    string                     `json:"i,omitempty"`
	Batch int64                      `json:"b,omitempty"`
	From  map[pandapush.AppID]string `json:"f,omitempty"`
	Lags  map[string]string          `json:"l,omitempty"`

	PolledFrom map[pandapush.AppID]string `json:"pf,omitempty"`
	PolledTo   map[pandapush.AppID]string `json:"pt,omitempty"`
	StreamLost int64                      `json:"sl,omitempty"` // Unix time in milliseconds
}

// encodeSession returns the fields and values of s, without those that say nothing: a session that has only begun has two.
// The error is about a grant that is not one.
func encodeSession(s pandapush.Session) ([]any, error) {
	fields := make([]any, 0, 2*(10+len(s.Cursors)+len(s.Subscriptions)))
	fields = append(fields, fieldFence, s.Fence, fieldCreated, s.Created.UnixMilli())
	for _, field := range [...]struct{ name, value string }{
		{fieldOwner, s.Owner}, {fieldTransport, s.Transport}, {fieldUserAgent, s.UserAgent}, {fieldAnswer, encodeAnswer(s.Answer)},
	} {
		if field.value != "" {
			fields = append(fields, field.name, field.value)
		}
	}
	for _, field := range [...]struct {
		name string
		set  bool
	}{{fieldAttached, s.Attached}, {fieldBehind, s.Behind}, {fieldAck, s.Ack}, {fieldExpiry, s.Expiry}} {
		if field.set {
			fields = append(fields, field.name, "1")
		}
	}
	for _, app := range slices.Sorted(maps.Keys(s.Cursors)) {
		fields = append(fields, fieldCursor+string(app), s.Cursors[app].String())
	}
	for _, pattern := range slices.Sorted(maps.Keys(s.Subscriptions)) {
		sub := s.Subscriptions[pattern]
		grant, err := encodeGrant(sub)
		if err != nil {
			return nil, err
		}
		fields = append(fields, fieldSubscription+pattern, cursorText(sub.From)+" "+grant)
	}
	return fields, nil
}

// decodeSession reads the fields and values of a record.
func decodeSession(record map[string]string) (s pandapush.Session, err error) {
	s = pandapush.Session{
		Owner: record[fieldOwner], Attached: record[fieldAttached] == "1", Behind: record[fieldBehind] == "1", Ack: record[fieldAck] == "1",
		Expiry: record[fieldExpiry] == "1", Transport: record[fieldTransport], UserAgent: record[fieldUserAgent],
		Subscriptions: make(map[string]pandapush.Subscription), Cursors: make(map[pandapush.AppID]pandapush.Cursor),
	}
	if s.Fence, err = strconv.ParseInt(record[fieldFence], 10, 64); err != nil {
		return pandapush.Session{}, fmt.Errorf("fence: %w", err)
	}
	created, err := strconv.ParseInt(record[fieldCreated], 10, 64)
	if err != nil {
		return pandapush.Session{}, fmt.Errorf("creation: %w", err)
	}
	s.Created = time.UnixMilli(created).UTC()
	if node, at, ok := strings.Cut(record[fieldFormer], " "); ok {
		millis, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return pandapush.Session{}, fmt.Errorf("former owner: %w", err)
		}
		s.Former, s.FormerAt = node, time.UnixMilli(millis).UTC()
	}
	if s.Answer, err = decodeAnswer(record[fieldAnswer]); err != nil {
		return pandapush.Session{}, fmt.Errorf("answer: %w", err)
	}
	for field, value := range record {
		if app, ok := strings.CutPrefix(field, fieldCursor); ok {
			if s.Cursors[pandapush.AppID(app)], err = pandapush.ParseCursor(pandapush.AppID(app), value); err != nil {
				return pandapush.Session{}, fmt.Errorf("cursor: %w", err)
			}
		}
		if pattern, ok := strings.CutPrefix(field, fieldSubscription); ok {
			if s.Subscriptions[pattern], err = decodeSubscription(pattern, value); err != nil {
				return pandapush.Session{}, fmt.Errorf("subscription: %w", err)
			}
		}
	}
	return s, nil
}

func decodeSubscription(pattern, value string) (sub pandapush.Subscription, err error) {
	p, err := pandapush.ParsePattern(pattern)
	if err != nil {
		return sub, err
	}
	from, grant, _ := strings.Cut(value, " ")
	if from != "" {
		if sub.From, err = pandapush.ParseCursor(p.App(), from); err != nil {
			return sub, err
		}
	}
	var g storedGrant
	if err := json.Unmarshal([]byte(grant), &g); err != nil {
		return sub, fmt.Errorf("grant: %w", err)
	}
	sub.Grant = pandapush.Grant{
		App: g.App, Scope: g.Scope, Pub: g.Pub, Sub: g.Sub, Presence: g.Presence, User: g.User, Key: g.Key,
	}
	if g.Expires != 0 {
		sub.Grant.Expires = time.UnixMilli(g.Expires).UTC()
	}
	for _, field := range [...]struct {
		text   string
		cursor *pandapush.Cursor
	}{{g.Began, &sub.Began}, {g.Snapshot, &sub.Snapshot}} {
		if field.text == "" {
			continue
		}
		if *field.cursor, err = pandapush.ParseCursor(p.App(), field.text); err != nil {
			return sub, err
		}
	}
	return sub, nil
}

// encodeGrant returns what a record has of a subscription but for where that begins.
func encodeGrant(sub pandapush.Subscription) (string, error) {
	g := sub.Grant
	stored := storedGrant{
		App: g.App, Scope: g.Scope, Pub: g.Pub, Sub: g.Sub, Presence: g.Presence, User: g.User, Key: g.Key,
		Began: cursorText(sub.Began), Snapshot: cursorText(sub.Snapshot),
	}
	if !g.Expires.IsZero() {
		stored.Expires = g.Expires.UnixMilli()
	}
	text, err := compact(stored)
	if err != nil {
		return "", fmt.Errorf("grant: %w", err)
	}
	return text, nil
}

// encodeAnswer returns an answer as text, "" for the zero one.
func encodeAnswer(a pandapush.Answer) string {
	stored := storedAnswer{
		ID: a.ID, Batch: a.Batch, From: cursorTexts(a.From), PolledFrom: cursorTexts(a.PolledFrom), PolledTo: cursorTexts(a.PolledTo),
	}
	if !a.StreamLost.IsZero() {
		stored.StreamLost = a.StreamLost.UnixMilli()
	}
	if len(a.Lagging) > 0 {
		stored.Lags = make(map[string]string, len(a.Lagging))
	}
	for pattern, c := range a.Lagging {
		stored.Lags[pattern] = c.String()
	}
	text, err := compact(stored)
	if err != nil {
		panic(err) // texts and numbers
	}
	if text == "{}" {
		return ""
	}
	return text
}

func cursorTexts(cursors map[pandapush.AppID]pandapush.Cursor) map[pandapush.AppID]string {
	if len(cursors) == 0 {
		return nil
	}
	texts := make(map[pandapush.AppID]string, len(cursors))
	for app, c := range cursors {
		texts[app] = c.String()
	}
	return texts
}

func parseCursors(texts map[pandapush.AppID]string) (map[pandapush.AppID]pandapush.Cursor, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	cursors := make(map[pandapush.AppID]pandapush.Cursor, len(texts))
	for app, text := range texts {
		c, err := pandapush.ParseCursor(app, text)
		if err != nil {
			return nil, err
		}
		cursors[app] = c
	}
	return cursors, nil
}

func decodeAnswer(text string) (a pandapush.Answer, err error) {
	if text == "" {
		return a, nil
	}
	var stored storedAnswer
	if err := json.Unmarshal([]byte(text), &stored); err != nil {
		return a, err
	}
	a = pandapush.Answer{ID: stored.ID, Batch: stored.Batch}
	if stored.StreamLost != 0 {
		a.StreamLost = time.UnixMilli(stored.StreamLost).UTC()
	}
	for into, texts := range map[*map[pandapush.AppID]pandapush.Cursor]map[pandapush.AppID]string{
		&a.From: stored.From, &a.PolledFrom: stored.PolledFrom, &a.PolledTo: stored.PolledTo,
	} {
		if *into, err = parseCursors(texts); err != nil {
			return pandapush.Answer{}, err
		}
	}
	for pattern, text := range stored.Lags {
		p, err := pandapush.ParsePattern(pattern)
		if err != nil {
			return pandapush.Answer{}, err
		}
		c, err := pandapush.ParseCursor(p.App(), text)
		if err != nil {
			return pandapush.Answer{}, err
		}
		if a.Lagging == nil {
			a.Lagging = make(map[string]pandapush.Cursor, len(stored.Lags))
		}
		a.Lagging[pattern] = c
	}
	return a, nil
}

// compact is json.Marshal without the escapes that are for HTML.
func compact(v any) (string, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}

// cursorText is c as text, "" if it is zero.
func cursorText(c pandapush.Cursor) string {
	if c == (pandapush.Cursor{}) {
		return ""
	}
	return c.String()
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
