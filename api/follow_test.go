package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pandapush/pandapush"
)

// followed is a Follower that answers with what it was asked for, or fails with err.
type followed struct{ err error }

func (f followed) Follow(w http.ResponseWriter, _ *http.Request, wanted map[pandapush.Pattern]pandapush.Grant, since string) error {
	if f.err != nil {
		return f.err
	}
	var lines []string
	for pattern, grant := range maps.All(wanted) {
		lines = append(lines, fmt.Sprintf("%s by %q", pattern, grant.Key))
	}
	slices.Sort(lines)
	_, err := fmt.Fprintf(w, "%s since %q", strings.Join(lines, ", "), since)
	return err
}

const events = "Accept: text/event-stream"

func TestFollow(t *testing.T) {
	t.Parallel()
	f := newFixture(Config{Follower: followed{}})
	token := mint(t, key, pandapush.TokenClaims{Channel: "/app1/private/**", Sub: true, Issued: now})
	for _, row := range []struct {
		target  string
		headers []string
		status  int
		want    string
	}{
		{"/app1/public/a", nil, 200, `/app1/public/a by "" since ""`},
		{"/app1/public/a?since=10", nil, 200, `/app1/public/a by "" since "10"`},
		{"/app1/public/a?since=10", []string{"Last-Event-ID: x-1-0"}, 200, `/app1/public/a by "" since "x-1-0"`},
		{"/app1/public/**", nil, 200, `/app1/public/** by "" since ""`},
		{"/app1/public/%2a", nil, 200, `/app1/public/* by "" since ""`},
		{"/app1/private/a?token=" + token, nil, 200, `/app1/private/a by "PSID1" since ""`},
		{"/app1/private/**", []string{"Authorization: Bearer " + token}, 200, `/app1/private/** by "PSID1" since ""`},
		{"/app1/private/x", []string{"Authorization: Token " + token}, 200, `/app1/private/x by "PSID1" since ""`},
		{"/app1/private/x", []string{"Authorization: " + basic(key)}, 200, `/app1/private/x by "PSID1" since ""`},
		{
			"/app1/public/a?channel=/app1/private/b&channel=/app1/public/*&token=" + token, nil, 200,
			`/app1/private/b by "PSID1", /app1/public/* by "", /app1/public/a by "" since ""`,
		},
		{"/app1/private/a", nil, 403, "Unauthorized"},
		{"/app1/public/a?channel=/app1/private/b", nil, 403, "Unauthorized"},
		{"/app1/private/a?token=x", nil, 400, refusal("Invalid token")},
		{"/app1/presence/a?token=" + token, nil, 400, refusal("Token does not match channel")},
		{"/nope/public/a", nil, 400, refusal("Could not find application")},
		{"/app1/public/a?channel=b", nil, 400, refusal("Invalid channel name")},
		{"/app1/public/a?channel=/app2/public/a", nil, 400, refusal("All channels of one stream belong to one application")},
	} {
		w := f.do(http.MethodGet, "/channel"+row.target, "", append(row.headers, events)...)
		wantAnswer(t, w, row.status, row.want)
		wantHeaders(t, w.Header(), "Access-Control-Allow-Origin: *")
	}
	for _, path := range []string{"/app1", "/app1/public", "/app1/public/", "/app1/other/a", "/app1/public/**/a", "/app1/public/a%20b"} {
		if w := f.do(http.MethodGet, "/channel"+path, "", events); w.Code != http.StatusNotFound {
			t.Errorf("%s = %d", path, w.Code)
		}
	}
}

func TestFollowFails(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err    error
		status int
		want   string
	}{
		{pandapush.ErrInvalidCursor, 400, refusal("Invalid cursor")},
		{pandapush.ErrTooManySubs, 400, refusal("Too many subscriptions")},
		{fmt.Errorf("tail: %w", pandapush.ErrUnavailable), 503, "Service Unavailable"},
		{http.ErrNotSupported, 500, "Internal Server Error"},
	} {
		w := newFixture(Config{Follower: followed{row.err}}).do(http.MethodGet, "/channel/app1/public/a", "", events)
		wantAnswer(t, w, row.status, row.want)
	}
}

func TestFollowMustBeAskedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(Config{Follower: followed{}})
	for accept, follows := range map[string]bool{
		"text/event-stream": true, "text/event-stream, */*": true, "Text/Event-Stream;q=0.5": true,
		"text/event-stream;q=0.5, application/json": false, "text/event-stream;q=0, */*": false, "*/*": false, "text/*": false, "": false,
	} {
		w := f.do(http.MethodGet, "/channel/app1/public/a", "", "Accept: "+accept)
		if got := strings.HasPrefix(w.Body.String(), "/app1/public/a by"); got != follows {
			t.Errorf("Accept %q: %d %s", accept, w.Code, w.Body)
		}
	}
	if w := f.do(http.MethodGet, "/channel/app1/public/a", ""); w.Code != http.StatusNotAcceptable {
		t.Errorf("without Accept: %d", w.Code)
	}
}
