package admin_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// listed is an application in a list.
type listed struct {
	ID, Name  string
	CreatedBy string `json:"created_by"`
	Suspended bool
	Live      *struct{ Published float64 }
}

func names(apps []listed) (all []string) {
	for _, app := range apps {
		all = append(all, app.Name)
	}
	return all
}

func TestApplications(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, f *fixture) {
		t.Helper()
		made := ask[listed](f, alice, http.MethodPost, "/applications", `{"name":"Röom & <b>"}`)
		if made.Name != "Röom & <b>" || made.CreatedBy != alice || len(made.ID) != 20 {
			t.Errorf("made %+v", made)
		}
		path := "/application/" + made.ID
		ask[struct{ ID string }](f, alice, http.MethodPost, path, `{"name":"renamed"}`)
		type detail struct {
			Name     string
			Admins   []string
			Keys     []any
			Settings pandapush.Settings
		}
		if got := ask[detail](f, alice, http.MethodGet, path, ""); got.Name != "renamed" || !slices.Equal(got.Admins, []string{alice}) || len(got.Keys) != 0 {
			t.Errorf("renamed: %+v", got)
		}
		ask[struct{ ID string }](f, alice, http.MethodPost, path, `{"admins":["`+stranger+`","`+alice+`"]}`)
		if got := ask[detail](f, stranger, http.MethodGet, path, ""); got.Name != "renamed" || len(got.Admins) != 2 {
			t.Errorf("with another administrator: %+v", got)
		}
		f.refused(f.do(alice, http.MethodPost, path, `{"admins":["`+stranger+`"]}`), http.StatusBadRequest, "admins")
		f.refused(f.do(alice, http.MethodPost, path, `{"name":""}`), http.StatusBadRequest, "name")
		f.refused(f.do(alice, http.MethodPost, path, `{"name":" ","admins":["alice"," "]}`), http.StatusBadRequest, "name", "admins")
		f.refused(f.do(alice, http.MethodPost, "/applications", `{}`), http.StatusBadRequest, "name")
		f.refused(f.do(alice, http.MethodPost, "/applications", `{"name":{}}`), http.StatusBadRequest, "name")

		settings := `{"history_length":5,"history_age":60,"origins":["https://a.b"],"suspended":true,"publish_rate":0.5,"publish_burst":1,"connections":2,"max_message_bytes":3}`
		want := pandapush.Settings{
			HistoryLength: 5, HistoryAge: time.Minute, Origins: []string{"https://a.b"}, Suspended: true, PublishRate: 0.5, PublishBurst: 1, Connections: 2, MaxMessageBytes: 3,
		}
		if got := ask[pandapush.Settings](f, alice, http.MethodPut, path+"/settings", settings); !got.Equal(want) {
			t.Errorf("settings %+v", got)
		}
		if got := f.keys.Settings(pandapush.AppID(made.ID)); !got.Equal(want) {
			t.Errorf("the key ring has the settings %+v", got)
		}
		both := ask[map[string]pandapush.Settings](f, alice, http.MethodGet, path+"/settings", "")
		if !both["settings"].Equal(want) || both["defaults"].HistoryLength != 1000 {
			t.Errorf("settings %+v", both)
		}
		if got := ask[[]listed](f, alice, http.MethodGet, "/applications", ""); len(got) != 1 || !got[0].Suspended {
			t.Errorf("listed %+v", got)
		}

		f.streams.Send("/"+made.ID+"/private/x", `"kept"`)
		if r := f.do(alice, http.MethodDelete, path, ""); r.status != http.StatusOK || string(r.body) != "OK" {
			t.Errorf("deleted: %d %s", r.status, r.body)
		}
		if left, err := f.streams.Range(t.Context(), pandapush.AppID(made.ID), pandapush.Position{}, pandapush.Position{}, 10); err != nil || len(left) > 0 {
			t.Errorf("messages of the deleted application are kept: %v, %v", left, err)
		}
		f.refused(f.do(alice, http.MethodGet, path, ""), http.StatusNotFound)
		if f.keys.HasApp(pandapush.AppID(made.ID)) {
			t.Error("the key ring still has the application")
		}
	})
}

func TestWhoChangesWhatSomebodyElseHasChangedIsTold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, f *fixture) {
		t.Helper()
		path := "/application/" + string(f.app("contested").ID)
		version := func(route string) string { return f.do(alice, http.MethodGet, path+route, "").header.Get("ETag") }
		name, settings := version(""), version("/settings")
		put := func(tag, body string) response {
			return f.do(alice, http.MethodPut, path+"/settings", body, "If-Match: "+tag)
		}
		rename := func(tag, to string) response {
			return f.do(alice, http.MethodPost, path, `{"name":"`+to+`"}`, "If-Match: "+tag)
		}
		first := put(settings, `{"publish_rate":5}`)
		if now := version("/settings"); first.status != http.StatusOK || now == settings || first.header.Get("ETag") != now {
			t.Fatalf("first change: %d, version %s, then %s", first.status, first.header.Get("ETag"), now)
		}
		f.refused(put(settings, `{"connections":7}`), http.StatusPreconditionFailed)
		if r := rename(name, "the name is another matter"); r.status != http.StatusOK || r.header.Get("ETag") != version("") {
			t.Errorf("renamed: %d, version %s", r.status, r.header.Get("ETag"))
		}
		f.refused(rename(name, "lost"), http.StatusPreconditionFailed)
		now := f.do(alice, http.MethodGet, path, "")
		if text := string(now.body); !strings.Contains(text, `"publish_rate":5`) || !strings.Contains(text, "another matter") {
			t.Errorf("after the refusals: %s", text)
		}
		for _, tag := range []string{"W/" + version(""), "*"} {
			if r := rename(tag, "by "+tag[:1]); r.status != http.StatusOK {
				t.Errorf("%s: %d %s", tag, r.status, r.body)
			}
		}
	})
}

func TestEachSeesTheirApplications(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	f.app("one")
	f.app("two")
	ask[listed](f, stranger, http.MethodPost, "/applications", `{"name":"three"}`)
	for user, want := range map[string]string{root: "one three two", auditor: "one three two", alice: "one two", stranger: "three"} {
		r := f.do(user, http.MethodGet, "/applications", "")
		got := names(ask[[]listed](f, user, http.MethodGet, "/applications", ""))
		if strings.Join(got, " ") != want || r.header.Get("X-Total-Count") != strconv.Itoa(len(got)) {
			t.Errorf("%s sees %q of %s", user, got, r.header.Get("X-Total-Count"))
		}
	}
}

func TestListIsPaged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	for i := range 5 {
		f.app(fmt.Sprintf("app %d", i))
	}
	for query, want := range map[string]string{
		"?limit=2":                     "app 0,app 1",
		"?limit=2&offset=4":            "app 4",
		"?limit=2&order=desc":          "app 4,app 3",
		"?search=APP%203":              "app 3",
		"?search=nothing":              "",
		"?sort=created_at&order=asc":   "", // two may have been made in the same millisecond
		"?sort=id&limit=1000&offset=0": "", // in an order of their own
	} {
		got := strings.Join(names(ask[[]listed](f, root, http.MethodGet, "/applications"+query, "")), ",")
		if got != want && want != "" || query == "?search=nothing" && got != "" {
			t.Errorf("%s: %s", query, got)
		}
	}
	r := f.do(root, http.MethodGet, "/applications?limit=2", "")
	if r.header.Get("X-Total-Count") != "5" {
		t.Errorf("total %s", r.header.Get("X-Total-Count"))
	}
	for query, field := range map[string]string{
		"?limit=0": "limit", "?limit=1001": "limit", "?limit=x": "limit", "?offset=-1": "offset", "?sort=color": "sort", "?order=up": "order",
		"?page=2": "page", "?limit=%zz": "query", "?limit=1;offset=2": "query", "?search=" + strings.Repeat("x", 256): "search",
	} {
		f.refused(f.do(root, http.MethodGet, "/applications"+query, ""), http.StatusBadRequest, field)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	got := f.do(auditor, http.MethodGet, "/info", "")
	want := `{"username":"auditor","role":"read-only","environments":[{"name":"staging","url":"https://staging.example"}],"environment":"local","version":"abc","release":"3","logout":"/logout"}`
	if string(got.body) != want {
		t.Errorf("got %s\nwant %s", got.body, want)
	}
	config := f.do(root, http.MethodGet, "/config", "")
	if !strings.Contains(string(config.body), `{"name":"KEY","value":null,"default":"","secret":true,"set":true,"help":""}`) {
		t.Errorf("configuration %s", config.body)
	}
}

// change is a row of the audit log.
type change struct {
	ID          int64
	By, Action  string
	Application string `json:"application_id"`
	Target      string
	Before      map[string]any
	After       map[string]any
}

type changes struct {
	Changes []change
	Next    *int64
}

func TestAuditLog(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, f *fixture) {
		t.Helper()
		app := f.app("app")
		path := "/application/" + string(app.ID)
		ask[any](f, root, http.MethodPost, path, `{"name":"renamed"}`)
		key := ask[map[string]any](f, alice, http.MethodPost, path+"/keys", `{"purpose":"p"}`)
		token := ask[map[string]string](f, alice, http.MethodPost, path+"/keys/"+key["id"].(string)+"/token", `{"channel":"/`+string(app.ID)+`/private/a","sub":true}`)
		f.app("another")

		got := ask[changes](f, alice, http.MethodGet, path+"/audit", "")
		var actions []string
		for _, c := range got.Changes {
			actions = append(actions, c.Action+" by "+c.By)
		}
		want := []string{"token.mint by alice", "key.create by alice", "app.update by root", "app.create by alice"}
		if !slices.Equal(actions, want) || got.Next != nil {
			t.Errorf("got %q, next %v", actions, got.Next)
		}
		if c := got.Changes[2]; c.Before["name"] != "app" || c.After["name"] != "renamed" || c.Application != string(app.ID) {
			t.Errorf("the update: %+v", c)
		}
		raw := string(f.do(root, http.MethodGet, "/audit", "").body)
		for what, text := range map[string]string{"secret": key["secret"].(string), "token": token["token"]} {
			if strings.Contains(raw, text) {
				t.Errorf("the log has the %s", what)
			}
		}
		page := ask[changes](f, root, http.MethodGet, "/audit?limit=2", "")
		if len(page.Changes) != 2 || page.Next == nil || *page.Next != page.Changes[1].ID {
			t.Fatalf("a page: %+v", page)
		}
		rest := ask[changes](f, root, http.MethodGet, fmt.Sprintf("/audit?limit=500&before=%d", *page.Next), "")
		if len(rest.Changes) != 3 || rest.Next != nil {
			t.Errorf("the rest: %+v", rest)
		}
		for query, n := range map[string]int{"?by=root": 1, "?action=key": 1, "?action=app.create": 2, "?by=%00": 0} {
			if got := ask[changes](f, root, http.MethodGet, "/audit"+query, ""); len(got.Changes) != n {
				t.Errorf("%s: %+v", query, got.Changes)
			}
		}
		if got := ask[changes](f, stranger, http.MethodGet, "/audit", ""); len(got.Changes) != 0 {
			t.Errorf("a stranger sees %+v", got.Changes)
		}
		f.refused(f.do(root, http.MethodGet, "/audit?before=x&limit=0", ""), http.StatusBadRequest, "before", "limit")
	})
}
