package pandapush

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestPublishAndHistory(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), t.Context()
	id, err := c.Publish(ctx, "/devapp/private/a", map[string]int{"n": 1}, &PublishOptions{TTL: time.Minute, Exclude: "0123abc"})
	if err != nil {
		t.Fatal(err)
	}
	results, err := c.Batch(ctx, []BatchMessage{
		{Channel: "/devapp/private/a", Data: map[string]int{"n": 2}, TTL: 1500 * time.Millisecond},
		{Channels: []string{"/devapp/private/b", "/devapp/private/a"}, Data: json.RawMessage(`{"n":3}`)},
	}, nil)
	if err != nil || len(results) != 3 || results[1].Channel != "/devapp/private/b" {
		t.Fatal(results, err)
	}
	page, err := c.History(ctx, "/devapp/private/*", &HistoryOptions{Limit: 2, Oldest: true, Since: "1h"})
	if err != nil || len(page.Messages) != 2 || page.Messages[0].ID != id || page.Messages[1].ID != results[0].ID {
		t.Fatal(page, err)
	}
	rest, err := c.History(ctx, "/devapp/private/*", &HistoryOptions{Oldest: true, Since: page.Next})
	if err != nil || len(rest.Messages) != 2 || string(rest.Messages[1].Data) != `{"n":3}` || rest.Cursor != results[2].ID {
		t.Fatal(rest, err)
	}
	newest, err := c.History(ctx, "/devapp/private/a", nil)
	if err != nil || len(newest.Messages) != 3 || newest.Messages[0].ID != results[2].ID || newest.Gap != nil {
		t.Fatal(newest, err)
	}
}

func TestOnce(t *testing.T) {
	s := startServer(t)
	c, ctx := s.client(), t.Context()
	const channel = "/devapp/public/once"
	named := &PublishOptions{IdempotencyKey: "order-1"}
	first, err := c.Publish(ctx, channel, map[string]int{"order": 1}, named)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Publish(ctx, channel, map[string]int{"order": 1}, named)
	if err != nil || again != first {
		t.Errorf("got %s, %v, want %s", again, err, first)
	}
	_, err = c.Publish(ctx, channel, map[string]int{"order": 2}, named)
	if e := refused(t, err); e.Status != http.StatusConflict || e.Kind != "idempotency-key-reused" || e.RequestID == "" {
		t.Errorf("got %+v", e)
	}
	second, err := c.Publish(ctx, channel, map[string]int{"order": 3}, &PublishOptions{IfMatch: first})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Publish(ctx, channel, map[string]int{"order": 4}, &PublishOptions{IfMatch: first})
	if e := refused(t, err); e.Kind != "changed" || e.Newest != second || e.Cursor != second {
		t.Errorf("got %+v", e)
	}
}

// TestCutConnections takes connections away from a publisher just when it is about to be answered: all is stored once.
func TestCutConnections(t *testing.T) {
	s := startServer(t)
	proxy := startCutter(t, s.addr)
	cut := newClient(t, "http://"+proxy.addr)
	cut.http.Transport = &http.Transport{DisableKeepAlives: true} // every request has a connection that may be cut
	const channel, count = "/devapp/public/cut", 20
	for n := range count {
		if _, err := cut.Publish(t.Context(), channel, map[string]int{"n": 2 * n}, nil); err != nil {
			t.Fatal(err)
		}
		message := BatchMessage{Channel: channel, Data: map[string]int{"n": 2*n + 1}}
		if _, err := cut.Batch(t.Context(), []BatchMessage{message}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if proxy.cuts.Load() < count {
		t.Errorf("only %d connections were cut", proxy.cuts.Load())
	}
	page, err := s.client().History(t.Context(), channel, &HistoryOptions{Since: "1h", Oldest: true})
	if err != nil {
		t.Fatal(err)
	}
	for n, message := range page.Messages {
		if want := fmt.Sprintf(`{"n":%d}`, n); string(message.Data) != want {
			t.Fatalf("message %d is %s", n, message.Data)
		}
	}
	if len(page.Messages) != 2*count {
		t.Errorf("%d messages are stored, want %d", len(page.Messages), 2*count)
	}
}

func TestTokens(t *testing.T) {
	s := startServer(t)
	c := s.client()
	text, err := c.Token("/devapp/presence/**", TokenOptions{Publish: true, Subscribe: true, Presence: map[string]any{"id": "ann"}})
	if err != nil {
		t.Fatal(err)
	}
	bearer, err := New(Config{URL: "http://" + s.addr, Token: text})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bearer.Publish(t.Context(), "/devapp/presence/room", struct{}{}, nil); err != nil {
		t.Error(err)
	}
	_, err = bearer.Publish(t.Context(), "/devapp/private/x", struct{}{}, nil)
	if e := refused(t, err); e.Kind != "forbidden" || strings.Contains(e.Error(), text) {
		t.Errorf("got %v", e)
	}
	for event, err := range bearer.Follow(t.Context(), "", "/devapp/presence/room") {
		room, ok := event.(Room)
		if !ok || err != nil || string(room.Members["ann"]) != `{"id":"ann"}` || room.Channel != "/devapp/presence/room" {
			t.Errorf("got %v, %v", event, err)
		}
		break
	}
	for name, options := range map[string]TokenOptions{"neither": {}, "negative": {Subscribe: true, Life: -1}} {
		if _, err := c.Token("/devapp/private/x", options); err == nil {
			t.Errorf("%s: minted", name)
		}
	}
	if _, err := bearer.Token("/devapp/private/x", TokenOptions{Subscribe: true}); err == nil {
		t.Error("a token was minted without a key")
	}
}

// TestRefusals: what can't work is said once, and nothing that is wrong with a channel's name is sent.
func TestRefusals(t *testing.T) {
	for _, channel := range []string{"", "devapp/public/a", "/devapp/public", "/devapp/public/../../livez", "/devapp/public/a?b", "/devapp/public/a\n"} {
		_, err := newClient(t, "http://127.0.0.1:1").Publish(t.Context(), channel, struct{}{}, nil)
		if err == nil || !strings.Contains(err.Error(), "invalid channel") {
			t.Errorf("channel %q: %v", channel, err)
		}
	}
	_, err := newClient(t, "http://127.0.0.1:1").Publish(t.Context(), "/devapp/public/a", struct{}{}, &PublishOptions{IdempotencyKey: "a\nb"})
	if err == nil || errors.Is(err, errConnection) { // which would be tried again
		t.Errorf("a key with a line feed: %v", err)
	}
	for _, config := range []Config{{}, {URL: "ftp://host"}, {URL: "http://u:p@host"}, {URL: "http://host", Key: "k"}, {URL: "http://host", Token: "t", Key: "k", Secret: "s"}} {
		if _, err := New(config); err == nil {
			t.Errorf("%+v is accepted", config)
		}
	}
}

// TestRetries counts how often a request is sent that is answered so.
func TestRetries(t *testing.T) {
	tests := []struct {
		status     int
		retryAfter string
		sent       int
	}{
		{http.StatusServiceUnavailable, "0", 3},
		{http.StatusTooManyRequests, "", 3},
		{http.StatusBadGateway, "", 3},
		{http.StatusServiceUnavailable, "3600", 1},
		{http.StatusUnauthorized, "", 1},
		{http.StatusInternalServerError, "", 1},
		{http.StatusMovedPermanently, "", 1},
	}
	for _, test := range tests {
		var keys []string
		busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			keys = append(keys, r.Header.Get("Idempotency-Key"))
			w.Header().Set("Retry-After", test.retryAfter)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(test.status)
		}))
		c, err := New(Config{URL: busy.URL, Attempts: 3})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Publish(t.Context(), "/devapp/public/a", struct{}{}, nil)
		busy.Close()
		if e := refused(t, err); e.Status != test.status || len(keys) != test.sent {
			t.Errorf("%d: sent %d times, want %d; %v", test.status, len(keys), test.sent, err)
		}
		for _, key := range keys {
			if key == "" || key != keys[0] {
				t.Errorf("%d: keys %q", test.status, keys)
			}
		}
	}
}

func TestPause(t *testing.T) {
	for attempt := 1; attempt < 100; attempt++ {
		wait, ok := pause(attempt, &Error{RetryAfter: 2 * time.Second})
		if !ok || wait < 2*time.Second || wait > 2*time.Second+maxPause {
			t.Errorf("attempt %d: %v, %v", attempt, wait, ok)
		}
	}
	if got := retryAfter(time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)); got < 59*time.Minute {
		t.Errorf("a date is %v", got)
	}
}

// TestTimeout: a server that says nothing is given up.
func TestTimeout(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	c, err := New(Config{URL: silent.URL, Timeout: 50 * time.Millisecond, Attempts: 2})
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := c.History(t.Context(), "/devapp/public/a", nil); err == nil || errors.As(err, &e) || !strings.Contains(err.Error(), "attempt 2") {
		t.Errorf("got %v", err)
	}
	for _, err := range c.Follow(t.Context(), "", "/devapp/public/a") {
		if err == nil || errors.As(err, &e) {
			t.Errorf("got %v", err)
		}
	}
}

// refused returns err as an Error.
func refused(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return e
}
