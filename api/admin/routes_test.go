package admin_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pandapush/pandapush"
)

// TestRoutesAreThoseOfTheDocument: every route is an operation of openapi.json, and every operation a route.
func TestRoutesAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	parameter := regexp.MustCompile(`:(\w+)`)
	var got []string
	for _, r := range f.Routes() {
		if path, ok := strings.CutPrefix(r.Path, "/admin/api"); ok && !strings.HasSuffix(path, "*") {
			got = append(got, r.Method+" "+parameter.ReplaceAllString(path, "{$1}"))
		}
	}
	slices.Sort(got)
	if want := f.document.Operations(); !slices.Equal(got, want) {
		t.Errorf("routes     %q\noperations %q", got, want)
	}
}

// answers are the statuses that the users get, in the order root, auditor, alice, stranger, nobody.
type answers [5]int

// The usual ones.
var (
	all      = answers{200, 200, 200, 200, 401}
	lookers  = answers{200, 200, 200, 404, 401} // at an application of alice's
	changers = answers{200, 403, 200, 404, 401}
	overseen = answers{200, 200, 403, 403, 401}
)

// with returns answers with another status where it was 200.
func (a answers) with(status int) answers {
	for i := range a {
		if a[i] == http.StatusOK {
			a[i] = status
		}
	}
	return a
}

// TestRoles sends every request of the API as every kind of user.
func TestRoles(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, f *fixture) {
		t.Helper()
		f.runLive()
		tested := map[string]bool{}
		for _, row := range []struct {
			method, path, body string
			want               answers
		}{
			{"GET", "/openapi.json", "", all},
			{"GET", "/info", "", all},
			{"GET", "/applications", "", all},
			{"POST", "/applications", `{"name":"x"}`, answers{201, 403, 201, 201, 401}},
			{"GET", "/application/{applicationId}", "", lookers},
			{"POST", "/application/{applicationId}", `{"name":"x"}`, changers},
			{"GET", "/application/{applicationId}/settings", "", lookers},
			{"PUT", "/application/{applicationId}/settings", `{}`, changers},
			{"GET", "/application/{applicationId}/keys", "", lookers},
			{"POST", "/application/{applicationId}/keys", `{}`, changers},
			{"GET", "/application/{applicationId}/keys/{keyId}", "", lookers},
			{"POST", "/application/{applicationId}/keys/{keyId}/revoke", "", changers},
			{"POST", "/application/{applicationId}/keys/{keyId}/rotate", `{}`, changers},
			{"POST", "/application/{applicationId}/keys/{keyId}/token", `{"channel":"/{applicationId}/private/a"}`, changers},
			{"DELETE", "/application/{applicationId}/keys/{keyId}", "", changers.with(204)},
			{"POST", "/application/{applicationId}/token", `{"channel":"/{applicationId}/private/a"}`, changers},
			{"GET", "/application/{applicationId}/stats", "", lookers},
			{"GET", "/application/{applicationId}/connections", "", lookers},
			{"DELETE", "/application/{applicationId}/connections/{connectionId}", "", changers.with(404)},
			{"GET", "/application/{applicationId}/stream", "", lookers},
			{"GET", "/application/{applicationId}/stream/{entryId}", "", lookers.with(404)},
			{"POST", "/application/{applicationId}/explain/access", `{"channel":"/{applicationId}/private/a"}`, lookers},
			{"POST", "/application/{applicationId}/explain/delivery", `{"message":"x"}`, lookers},
			{"GET", "/application/{applicationId}/audit", "", lookers},
			{"GET", "/audit", "", all},
			{"GET", "/stats", "", overseen},
			{"GET", "/nodes", "", overseen},
			{"GET", "/config", "", answers{200, 403, 403, 403, 401}},
			{"DELETE", "/application/{applicationId}", "", changers},
		} {
			tested[row.method+" "+row.path] = true
			for i, user := range []string{root, auditor, alice, stranger, nobody} {
				// Each has an application of its own: some requests end it.
				app := f.app("of alice")
				key, err := f.store.CreateKey(t.Context(), pandapush.NewKey{App: app.ID, By: alice})
				if err != nil {
					t.Fatal(err)
				}
				f.load()
				fill := strings.NewReplacer("{applicationId}", string(app.ID), "{keyId}", string(key.ID)).Replace
				r := f.do(user, row.method, fill(row.path), fill(row.body))
				if r.status != row.want[i] {
					t.Errorf("%s %s by %q: %d %s, want %d", row.method, row.path, user, r.status, r.body, row.want[i])
				}
				missing := strings.NewReplacer("{applicationId}", "nosuch", "{keyId}", string(key.ID)).Replace
				if r := f.do(user, row.method, missing(row.path), missing(row.body)); strings.Contains(row.path, "{applicationId}") &&
					r.status != http.StatusNotFound && r.status != http.StatusForbidden && r.status != http.StatusUnauthorized {
					t.Errorf("%s %s by %q without the application: %d", row.method, row.path, user, r.status)
				}
			}
		}
		for _, operation := range f.document.Operations() {
			if !tested[operation] && !strings.HasSuffix(operation, "/events") { // TestFollow
				t.Errorf("%s is not tested", operation)
			}
		}
	})
}

func TestAnswersAreForWhoAsks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	for _, row := range []struct {
		accept, contentType, body string
	}{
		{"application/json", "application/problem+json", `"status":404`},
		{"application/problem+json", "application/problem+json", `"status":404`},
		{"application/json, text/plain, */*", "text/html; charset=utf-8", "Not found"}, // axios
		{"*/*", "text/html; charset=utf-8", "Not found"},                               // curl
		{"text/html,application/xhtml+xml,application/xml;q=0.9", "text/html; charset=utf-8", "Not found"},
	} {
		r := f.do(root, http.MethodGet, "/application/nosuch", "", "Accept: "+row.accept)
		if r.header.Get("Content-Type") != row.contentType || !strings.Contains(string(r.body), row.body) {
			t.Errorf("Accept %s: %s %s", row.accept, r.header.Get("Content-Type"), r.body)
		}
	}
	f.refused(f.do(root, http.MethodGet, "/nosuch", ""), http.StatusNotFound)
	f.refused(f.do(nobody, http.MethodGet, "/nosuch", ""), http.StatusUnauthorized)
}

func TestBodies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	path := "/application/" + string(f.app("app").ID) + "/settings"
	for _, row := range []struct {
		body, contentType string
		status            int
		fields            []string
	}{
		{`{}`, "application/json; charset=UTF-8", 200, nil},
		{`{}`, "text/plain", 415, nil},
		{`{}`, "application/x-www-form-urlencoded", 415, nil},
		{`{}`, "application/json; charset=latin1", 415, nil},
		{"", "multipart/form-data; boundary=x", 415, nil}, // what a form elsewhere could send
		{`[]`, "application/json", 400, []string{"body"}},
		{`null`, "application/json", 400, []string{"body"}},
		{`{`, "application/json", 400, []string{"body"}},
		{`{} {}`, "application/json", 400, []string{"body"}},
		{`{"suspended":1}`, "application/json", 400, []string{"suspended"}},
		{`{"history_length":1.5}`, "application/json", 400, []string{"history_length"}},
		{`{"origins":"https://a.b"}`, "application/json", 400, []string{"origins"}},
		{`{"origin":["https://a.b"]}`, "application/json", 400, []string{"origin"}},
		{`{"history_length":-1,"connections":-1}`, "application/json", 400, []string{"history_length", "connections"}},
		{`{"history_age":1e300}`, "application/json", 400, []string{"history_age"}},
		{`{"origins":["` + strings.Repeat("x", 1<<20) + `"]}`, "application/json", 413, nil},
	} {
		r := f.do(alice, http.MethodPut, path, row.body, "Content-Type: "+row.contentType)
		if row.status == http.StatusOK {
			if r.status != row.status {
				t.Errorf("%.50s: %d %s", row.body, r.status, r.body)
			}
			continue
		}
		f.refused(r, row.status, row.fields...)
	}
}

func TestPagesElsewhereChangeNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example"} {
		f.refused(f.do(root, http.MethodPost, "/applications", `{"name":"x"}`, header), http.StatusForbidden)
	}
	if apps := ask[[]any](f, root, http.MethodGet, "/applications", ""); len(apps) != 0 {
		t.Errorf("there are %d applications", len(apps))
	}
}

func TestTheUIWantsALogin(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	for _, path := range []string{"/admin", "/admin/", "/admin/application/x/keys", "/admin/assets/x.js"} {
		for user, status := range map[string]int{nobody: http.StatusFound, stranger: http.StatusOK} {
			w := newRecorder(f, f.request(user, http.MethodGet, path, "", "Accept: text/html"))
			if w.Code != status {
				t.Errorf("%s by %q: %d", path, user, w.Code)
			}
		}
	}
}
