package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/pandapush/pandapush"
)

// Presence has a room of two, with a page for each.
func (s *memory) Presence(_ context.Context, room pandapush.Channel, page string) (pandapush.Room, error) {
	switch {
	case s.err != nil:
		return pandapush.Room{}, fmt.Errorf("presence: %w", s.err)
	case room.String() != "/app1/presence/a/b":
		return pandapush.Room{Cursor: at(3)}, nil
	case page == "":
		return pandapush.Room{
			Members: []pandapush.Member{{User: `a"<n`, Data: json.RawMessage(`{"id":"a\"<n"}`)}}, Count: 2, Next: "17", Cursor: at(4),
		}, nil
	case page == "17":
		return pandapush.Room{Members: []pandapush.Member{{User: "bob", Data: json.RawMessage(`{"id":"bob"}`)}}, Count: 2, Cursor: at(5)}, nil
	}
	return pandapush.Room{}, fmt.Errorf("presence: %w", pandapush.ErrInvalidCursor)
}

func TestPresence(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	for _, tc := range []struct{ target, want string }{
		{"/presence/app1/a/b", `{"members":{"a\"\u003cn":{"id":"a\"<n"}},"count":2,"cursor":"` + at(4).String() + `","next":"17"}`},
		{"/presence/app1/a/b?page=17", `{"members":{"bob":{"id":"bob"}},"count":2,"cursor":"` + at(5).String() + `"}`},
		{"/presence/app1/nobody", `{"members":{},"count":0,"cursor":"` + at(3).String() + `"}`},
	} {
		w := f.do(http.MethodGet, tc.target, "", "Authorization: "+basic(key))
		wantAnswer(t, w, http.StatusOK, tc.want)
		wantHeaders(t, w.Header(), "Cache-Control: no-store", "Access-Control-Allow-Origin: *")
	}
	// A token that may subscribe will do, with or without a presence of its own.
	for _, presence := range []string{"", `{"id":"ann"}`} {
		token := mint(t, key, pandapush.TokenClaims{Channel: "/app1/presence/nobody", Sub: true, Presence: json.RawMessage(presence)})
		if w := f.do(http.MethodGet, "/presence/app1/nobody?token="+token, ""); w.Code != http.StatusOK {
			t.Errorf("with a token: %d %s", w.Code, w.Body)
		}
	}
	if w := f.do(http.MethodHead, "/presence/app1/nobody", "", "Authorization: "+basic(key)); w.Code != http.StatusOK {
		t.Errorf("HEAD: %d", w.Code)
	}
}

func TestPresenceRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	publisher := mint(t, key, pandapush.TokenClaims{Channel: "/app1/presence/a", Pub: true})
	for _, tc := range []struct {
		target, auth string
		want         int
	}{
		{"/presence/app1/a", "", http.StatusUnauthorized},
		{"/presence/app1/a", "Token " + publisher, http.StatusForbidden},
		{"/presence/app1/b", "Token " + publisher, http.StatusForbidden},
		{"/presence/app1/a/b?page=x", basic(key), http.StatusBadRequest},
		{"/presence/app1/a/b?page=17&page=17", basic(key), http.StatusBadRequest},
		{"/presence/app1/*", basic(key), http.StatusNotFound},
		{"/presence/app1", basic(key), http.StatusNotFound},
		{"/presence/app1/", basic(key), http.StatusNotFound},
		{"/presence/a-b/c", basic(key), http.StatusNotFound},
	} {
		var headers []string
		if tc.auth != "" {
			headers = append(headers, "Authorization: "+tc.auth)
		}
		if w := f.do(http.MethodGet, tc.target, "", headers...); w.Code != tc.want {
			t.Errorf("GET %s: %d %s, want %d", tc.target, w.Code, w.Body, tc.want)
		}
	}
	f.stream.err = pandapush.ErrUnavailable
	w := f.do(http.MethodGet, "/presence/app1/a", "", "Authorization: "+basic(key))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("while Redis is away: %d %v", w.Code, w.Header())
	}
}
