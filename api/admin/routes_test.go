package admin_test

import (
	"cmp"
	"fmt"
	"io"
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

// TestEveryRefusalIsInTheDocument: what is refused before a request is looked at can be any request.
func TestEveryRefusalIsInTheDocument(t *testing.T) {
	t.Parallel()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Content-Type": {"application/problem+json"}}
	for _, operation := range doc.Operations() {
		method, path, _ := strings.Cut(operation, " ")
		for _, status := range []int{
			http.StatusBadRequest, // another scheme than Basic
			http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests,
		} {
			doc.Check(t, method, path, status, header, fmt.Appendf(nil, `{"type":"about:blank","title":%q,"status":%d}`, http.StatusText(status), status))
		}
	}
}

// answers are the statuses that the users get, in the order root, auditor, alice, stranger, nobody. 0 is an event stream, which
// TestFollow opens.
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
		ask[listed](f, stranger, http.MethodPost, "/applications", `{"name":"of another"}`)
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
			{"GET", "/application/{applicationId}/stats/events", "", answers{0, 0, 0, 404, 401}},
			{"GET", "/application/{applicationId}/connections", "", lookers},
			{"DELETE", "/application/{applicationId}/connections/{connectionId}", "", changers.with(404)},
			{"GET", "/application/{applicationId}/stream", "", lookers},
			{"GET", "/application/{applicationId}/stream/{entryId}", "", lookers.with(404)},
			{"POST", "/application/{applicationId}/explain/access", `{"channel":"/{applicationId}/private/a"}`, lookers},
			{"POST", "/application/{applicationId}/explain/delivery", `{"message":"x"}`, lookers},
			{"GET", "/application/{applicationId}/audit", "", lookers},
			{"GET", "/audit", "", all},
			{"GET", "/stats", "", overseen},
			{"GET", "/stats/events", "", answers{0, 0, 403, 403, 401}},
			{"GET", "/nodes", "", overseen},
			{"GET", "/config", "", answers{200, 403, 403, 403, 401}},
			{"DELETE", "/application/{applicationId}", "", changers},
		} {
			tested[row.method+" "+row.path] = true
			for i, user := range []string{root, auditor, alice, stranger, nobody} {
				if row.want[i] != 0 {
					f.holdTo(user, row.method, row.path, row.body, row.want[i])
				}
			}
		}
		for _, operation := range f.document.Operations() {
			if !tested[operation] {
				t.Errorf("%s is not tested", operation)
			}
		}
	})
}

// holdTo sends one request of TestRoles, and that for an application that does not exist: who does not see one is told the
// same of both, whatever else is wrong with the request.
func (f *fixture) holdTo(user, method, path, body string, want int) {
	f.t.Helper()
	// Each has an application of its own: some requests end it.
	app := f.app("of alice")
	key, err := f.store.CreateKey(f.t.Context(), pandapush.NewKey{App: app.ID, By: alice})
	if err != nil {
		f.t.Fatal(err)
	}
	f.load()
	send := func(app pandapush.AppID, body string) response {
		fill := strings.NewReplacer("{applicationId}", string(app), "{keyId}", string(key.ID)).Replace
		return f.do(user, method, fill(path), fill(body))
	}
	r := send(app.ID, body)
	if r.status != want {
		f.t.Errorf("%s %s by %q: %d %s, want %d", method, path, user, r.status, r.body, want)
	}
	if !strings.Contains(path, "{applicationId}") {
		return
	}
	missing := send("nosuch", body)
	if hidden := want == http.StatusForbidden || want == http.StatusUnauthorized; hidden && missing.status != want || !hidden && missing.status != http.StatusNotFound {
		f.t.Errorf("%s %s by %q without the application: %d", method, path, user, missing.status)
	}
	if user != stranger && user != nobody {
		return
	}
	for _, body := range []string{body, `{"nonsense":1}`, `{`, `[`} {
		if method == http.MethodGet {
			body = "" // net/http's clients can't, and what is sent is not read
		}
		if there, not := send(app.ID, body), send("nosuch", body); there.status != not.status || string(there.body) != string(not.body) {
			f.t.Errorf("%s %s by %q tells them apart: %d %s, and %d %s", method, path, user, there.status, there.body, not.status, not.body)
		}
	}
}

// TestWhoIsTakenOffTheListMeanwhile sends requests whose bodies take until the sender administers the application no more.
func TestWhoIsTakenOffTheListMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	for _, operation := range f.document.Operations() {
		method, path, _ := strings.Cut(operation, " ")
		if method != http.MethodPost && method != http.MethodPut || !strings.Contains(path, "{applicationId}") {
			continue
		}
		app := f.app("app")
		key, err := f.store.CreateKey(t.Context(), pandapush.NewKey{App: app.ID, By: alice})
		if err != nil {
			t.Fatal(err)
		}
		fill := strings.NewReplacer("{applicationId}", string(app.ID), "{keyId}", string(key.ID)).Replace
		r := f.request(alice, method, "/admin/api"+fill(path), `{}`)
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), readerFunc(func([]byte) (int, error) {
			_, err := f.store.UpdateApp(t.Context(), root, app.ID, pandapush.AppChange{Admins: []string{stranger}})
			return 0, cmp.Or(err, io.EOF)
		}), strings.NewReader("}")))
		if w := newRecorder(f, r); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", operation, w.Code, w.Body)
		}
	}
}

// readerFunc is an io.Reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

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

// TestOtherMethods sends every path of the document every method that it has no operation for.
func TestOtherMethods(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	has := map[string][]string{} // the methods of a path
	for _, operation := range f.document.Operations() {
		method, path, _ := strings.Cut(operation, " ")
		has[path] = append(has[path], method)
	}
	for path, methods := range has {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
			if slices.Contains(methods, method) {
				continue
			}
			filled := strings.NewReplacer("{", "", "}", "").Replace(path)
			r := f.do(root, method, filled, "")
			allowed := strings.Split(r.header.Get("Allow"), ", ")
			slices.Sort(allowed)
			if r.status != http.StatusMethodNotAllowed || !slices.Equal(allowed, slices.Sorted(slices.Values(methods))) {
				t.Errorf("%s %s: %d, allowed are %q", method, path, r.status, allowed)
			}
			if w := newRecorder(f, f.request(nobody, method, "/admin/api"+filled, "")); w.Code != http.StatusUnauthorized {
				t.Errorf("%s %s without a login: %d", method, path, w.Code)
			}
		}
	}
	for _, path := range []string{"/applications/", "/audit/x", "/nosuch"} {
		f.refused(f.do(root, http.MethodGet, path, ""), http.StatusNotFound)
	}
}

// TestEmptyNamesInPaths leaves one of the names in a path empty: that is nobody's, and not no name.
func TestEmptyNamesInPaths(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	f.runLive()
	app := f.app("app")
	f.session("reader", app, map[string]string{"/public/a": ""})
	names := regexp.MustCompile(`\{\w+\}`)
	for _, operation := range f.document.Operations() {
		method, path, _ := strings.Cut(operation, " ")
		for _, empty := range names.FindAllString(path, -1) {
			target := strings.ReplaceAll(strings.ReplaceAll(path, empty, ""), "{applicationId}", string(app.ID))
			w := newRecorder(f, f.request(alice, method, "/admin/api"+names.ReplaceAllString(target, "x"), `{}`))
			if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d %s", method, target, w.Code, w.Body)
			}
		}
	}
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
		{strings.Repeat(`{"a":`, 100_000), "application/json", 400, []string{"body"}},
		{"{\"origins\":[\"\xff\"]}", "application/json", 400, []string{"body"}},
		{`{"origins":["https://a.b\u0000"]}`, "application/json", 400, []string{"origins"}},
		{`{"origins":[null]}`, "application/json", 400, []string{"origins"}},
		{`{"origins":[["https://a.b"]]}`, "application/json", 400, []string{"origins"}},
		{`{"history_length":1e400}`, "application/json", 400, []string{"history_length"}},
		{`{"connections":99999999999999999999}`, "application/json", 400, []string{"connections"}},
		{`{"history_length":null,"origins":null,"suspended":null}`, "application/json", 200, nil},
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

// TestPagesElsewhereChangeNothing sends every request that changes something as a page of another origin would, or a form.
func TestPagesElsewhereChangeNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app := f.app("app")
	key, err := f.store.CreateKey(t.Context(), pandapush.NewKey{App: app.ID, By: alice})
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{applicationId}", string(app.ID), "{keyId}", string(key.ID)).Replace
	before := ask[changes](f, root, http.MethodGet, "/audit", "")
	for _, operation := range f.document.Operations() {
		method, path, _ := strings.Cut(operation, " ")
		if method == http.MethodGet {
			continue
		}
		for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: null"} {
			f.refused(f.do(root, method, fill(path), `{"name":"x"}`, header), http.StatusForbidden)
		}
		if method == http.MethodDelete {
			continue // no form sends one
		}
		for _, header := range []string{"Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded", "Content-Type: multipart/form-data; boundary=x"} {
			f.refused(f.do(root, method, fill(path), `{"name":"x"}`, header), http.StatusUnsupportedMediaType)
		}
		f.refused(f.do(root, method, fill(path), strings.Repeat(" ", 1<<20+1)), http.StatusRequestEntityTooLarge)
	}
	if after := ask[changes](f, root, http.MethodGet, "/audit", ""); len(after.Changes) != len(before.Changes) {
		t.Errorf("changed: %+v", after.Changes)
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
