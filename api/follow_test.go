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
	w.Header().Set("Content-Type", typeEvents)
	_, err := fmt.Fprintf(w, "%s since %q", strings.Join(lines, ", "), since)
	return err
}

const events = "Accept: text/event-stream"

func TestFollow(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{Follower: followed{}})
	token := mint(t, key, pandapush.TokenClaims{Channel: "/app1/private/**", Sub: true, Issued: now})
	for _, row := range []struct {
		target  string
		headers []string
		want    string
	}{
		{"/app1/public/a", nil, `/app1/public/a by "" since ""`},
		{"/app1/public/a?since=10", nil, `/app1/public/a by "" since "10"`},
		{"/app1/public/a?since=10", []string{"Last-Event-ID: x-1-0"}, `/app1/public/a by "" since "x-1-0"`},
		{"/app1/public/**", nil, `/app1/public/** by "" since ""`},
		{"/app1/public/%2a", nil, `/app1/public/* by "" since ""`},
		{"/app1/private/a?token=" + token, nil, `/app1/private/a by "PSID1" since ""`},
		{"/app1/private/**", []string{"Authorization: Bearer " + token}, `/app1/private/** by "PSID1" since ""`},
		{"/app1/private/x", []string{"Authorization: Token " + token}, `/app1/private/x by "PSID1" since ""`},
		{"/app1/private/x", []string{"Authorization: " + basic(key)}, `/app1/private/x by "PSID1" since ""`},
		{
			"/app1/public/a?channel=/app1/private/b&channel=/app1/public/*&token=" + token, nil,
			`/app1/private/b by "PSID1", /app1/public/* by "", /app1/public/a by "" since ""`,
		},
	} {
		w := f.do(http.MethodGet, "/channel"+row.target, "", append(row.headers, events)...)
		wantAnswer(t, w, http.StatusOK, row.want)
		wantHeaders(t, w.Header(), "Access-Control-Allow-Origin: *")
	}
	for _, row := range []struct {
		target string
		status int
		kind   string
		param  string
	}{
		{"/app1/private/a", 401, "unauthorized", ""},
		{"/app1/public/a?channel=/app1/private/b", 401, "unauthorized", ""},
		{"/app1/private/a?token=x", 401, "unauthorized", ""},
		{"/app1/presence/a?token=" + token, 403, "forbidden", ""},
		{"/nope/public/a", 404, "not-found", ""},
		{"/app1/public/a?channel=b", 400, "invalid-parameter", "channel"},
		{"/app1/public/a?channel=/app2/public/a", 400, "invalid-parameter", "channel"},
		{"/app1/public/a" + strings.Repeat("&channel=/app1/public/b", maxFollowed)[1:], 404, "not-found", ""},
		{"/app1/public/a?" + strings.Repeat("&channel=/app1/public/b", maxFollowed)[1:], 400, "invalid-parameter", "channel"},
		{"/app1/public/a?limit=5", 400, "invalid-parameter", "limit"},
		{"/app1/public/a?until=5m", 400, "invalid-parameter", "until"},
		{"/app1/public/a?order=oldest", 400, "invalid-parameter", "order"},
		{"/app1/public/a?since=1&since=2", 400, "invalid-parameter", "since"},
		{"/app1/public/a?since=", 400, "invalid-parameter", "since"},
	} {
		wantProblem(t, f.do(http.MethodGet, "/channel"+row.target, "", events), row.status, row.kind, row.param)
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
		kind   string
		param  string
	}{
		{pandapush.ErrInvalidCursor, 400, "invalid-parameter", "since"},
		{pandapush.ErrTooManySubs, 400, "invalid-parameter", "channel"},
		{pandapush.ErrTooManySessions, 429, "too-many-connections", ""},
		{pandapush.ErrAppFull, 429, "too-many-connections", ""},
		{pandapush.ErrPresenceTooLarge, 403, "forbidden", ""},
		{fmt.Errorf("%w: %w", pandapush.ErrPresenceFailed, http.ErrNotSupported), 500, "internal", ""},
		{fmt.Errorf("tail: %w", pandapush.ErrUnavailable), 503, "unavailable", ""},
		{http.ErrNotSupported, 500, "internal", ""},
	} {
		f := newFixture(t, Config{Follower: followed{row.err}})
		w := f.do(http.MethodGet, "/channel/app1/public/a", "", events)
		wantProblem(t, w, row.status, row.kind, row.param)
		if retry := w.Header().Get("Retry-After"); (retry != "") != (row.status == 429 || row.status == 503) {
			t.Errorf("%v: Retry-After %q", row.err, retry)
		}
	}
	f := newFixture(t, Config{Follower: followed{pandapush.ErrInvalidCursor}})
	wantProblem(t, f.do(http.MethodGet, "/channel/app1/public/a", "", events, "Last-Event-ID: x"), 400, "invalid-parameter", "Last-Event-ID")
}

func TestFollowMustBeAskedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{Follower: followed{}})
	for accept, follows := range map[string]bool{
		"text/event-stream": true, "text/event-stream, */*": true, "Text/Event-Stream;q=0.5": true,
		"text/event-stream;q=0.5, application/json": false, "text/event-stream;q=0, */*": false, "*/*": false, "text/*": false, "": false,
	} {
		w := f.do(http.MethodGet, "/channel/app1/public/a", "", "Accept: "+accept)
		if got := strings.HasPrefix(w.Body.String(), "/app1/public/a by"); got != follows {
			t.Errorf("Accept %q: %d %s", accept, w.Code, w.Body)
		}
	}
	w := f.do(http.MethodHead, "/channel/app1/public/a", "", events)
	wantAnswer(t, w, http.StatusOK, "")
	wantHeaders(t, w.Header(), "Content-Type: text/event-stream")
}
