package admin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkTenThousandApplications asks for pages of a long list, as the UI does. The bound for the first row is
// 200 ms.
func BenchmarkTenThousandApplications(b *testing.B) {
	const apps = 10_000
	for name, open := range databases {
		store := open(b)
		for i := range apps {
			if _, err := store.CreateApp(b.Context(), alice, fmt.Sprintf("Application %05d", i)); err != nil {
				b.Fatal(err)
			}
		}
		f := newFixture(b, store)
		for page, query := range map[string]string{
			"first":   "?limit=50",
			"last":    "?limit=50&offset=9950",
			"search":  "?limit=50&search=tion%20099",
			"by-date": "?limit=50&sort=created_at&order=desc",
			"all":     "",
		} {
			for _, user := range []string{root, alice} {
				b.Run(name+"/"+page+"/"+user, func(b *testing.B) {
					for b.Loop() {
						w := httptest.NewRecorder()
						f.ServeHTTP(w, f.request(user, http.MethodGet, "/admin/api/applications"+query, ""))
						if w.Code != http.StatusOK {
							b.Fatalf("%d %s", w.Code, w.Body)
						}
					}
				})
			}
		}
	}
}

// BenchmarkStreamBrowser asks for pages of a stream of a million entries.
func BenchmarkStreamBrowser(b *testing.B) {
	const entries = 1_000_000
	f := newFixture(b, databases["sqlite"](b))
	app := f.app("app")
	first := f.fill(app, entries)
	for page, query := range map[string]string{
		"newest":       "?limit=100",
		"oldest":       "?limit=100&order=oldest",
		"from-cursor":  "?limit=100&order=oldest&cursor=" + first,
		"rare-channel": "?limit=100&channel=/" + string(app.ID) + "/public/rare", // looks at as many entries as it may
	} {
		b.Run(page, func(b *testing.B) {
			for b.Loop() {
				w := httptest.NewRecorder()
				f.ServeHTTP(w, f.request(root, http.MethodGet, "/admin/api/application/"+string(app.ID)+"/stream"+query, ""))
				if w.Code != http.StatusOK {
					b.Fatalf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
}
