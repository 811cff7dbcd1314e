package admin_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// keyJSON is a key as the API shows it.
type keyJSON struct {
	ID, Status, Secret, Purpose string
	Expires                     *time.Time
	RevokedAt                   *time.Time `json:"revoked_at"`
	PreviousUntil               *time.Time `json:"previous_until"`
}

// allowed reports whether a key and secret may publish.
func (f *fixture) allowed(app pandapush.App, id, secret string) bool {
	channel, err := pandapush.ParsePattern("/" + string(app.ID) + "/private/a")
	if err != nil {
		f.t.Fatal(err)
	}
	cred := pandapush.Credential{Key: pandapush.KeyID(id), Secret: pandapush.Secret(secret), Given: true}
	_, err = pandapush.NewAuthority(f.keys).Authorize(cred, pandapush.Publish, channel, time.Now())
	return err == nil
}

func TestKeys(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, f *fixture) {
		t.Helper()
		app := f.app("app")
		keys := "/application/" + string(app.ID) + "/keys"
		made := ask[keyJSON](f, alice, http.MethodPost, keys, `{"purpose":"back end","expires":"2099-01-02T03:04:05.678Z"}`)
		if made.Status != "active" || made.Purpose != "back end" || len(made.Secret) != 256 || made.Expires.Year() != 2099 || !f.allowed(app, made.ID, made.Secret) {
			t.Errorf("made %+v", made)
		}
		if never := ask[keyJSON](f, alice, http.MethodPost, keys, ""); never.Expires != nil || never.Purpose != "" {
			t.Errorf("made of nothing: %+v", never)
		}
		for _, k := range ask[[]keyJSON](f, alice, http.MethodGet, keys, "") {
			if k.Secret != "" || k.Status != "active" {
				t.Errorf("listed as %+v", k)
			}
		}
		for body, field := range map[string]string{
			`{"expires":"2001-01-01T00:00:00Z"}`: "expires", `{"expires":"soon"}`: "expires", `{"expires":12}`: "expires",
			`{"purpose":"a\u0000"}`: "purpose", `{"secret":"x"}`: "secret",
		} {
			f.refused(f.do(alice, http.MethodPost, keys, body), http.StatusBadRequest, field)
		}

		one := keys + "/" + made.ID
		rotated := ask[keyJSON](f, alice, http.MethodPost, one+"/rotate", `{"overlap":3600}`)
		if rotated.Secret == made.Secret || rotated.PreviousUntil == nil || time.Until(*rotated.PreviousUntil) > time.Hour {
			t.Errorf("rotated %+v", rotated)
		}
		if !f.allowed(app, made.ID, rotated.Secret) || !f.allowed(app, made.ID, made.Secret) {
			t.Error("within the overlap one of the secrets is refused")
		}
		last := ask[keyJSON](f, alice, http.MethodPost, one+"/rotate", `{"overlap":0}`)
		if last.PreviousUntil != nil || f.allowed(app, made.ID, rotated.Secret) || !f.allowed(app, made.ID, last.Secret) {
			t.Errorf("rotated without overlap: %+v", last)
		}
		if byDefault := ask[keyJSON](f, alice, http.MethodPost, one+"/rotate", ""); byDefault.PreviousUntil == nil || time.Until(*byDefault.PreviousUntil) < 23*time.Hour {
			t.Errorf("rotated by default: %+v", byDefault)
		}
		for _, body := range []string{`{"overlap":-1}`, `{"overlap":31536001}`, `{"overlap":9223372036854775807}`, `{"overlap":"1h"}`} {
			f.refused(f.do(alice, http.MethodPost, one+"/rotate", body), http.StatusBadRequest, "overlap")
		}

		for range 2 {
			if revoked := ask[keyJSON](f, alice, http.MethodPost, one+"/revoke", ""); revoked.Status != "revoked" || revoked.RevokedAt == nil || revoked.PreviousUntil != nil {
				t.Errorf("revoked %+v", revoked)
			}
		}
		if f.allowed(app, made.ID, last.Secret) {
			t.Error("a revoked key is good")
		}
		f.refused(f.do(alice, http.MethodPost, one+"/rotate", ""), http.StatusConflict)
		f.refused(f.do(alice, http.MethodPost, one+"/token", `{"channel":"/`+string(app.ID)+`/private/a","pub":true}`), http.StatusConflict)
		if r := f.do(alice, http.MethodDelete, one, ""); r.status != http.StatusNoContent {
			t.Errorf("deleted: %d %s", r.status, r.body)
		}
		for _, request := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"POST", "/revoke"}, {"POST", "/rotate"}} {
			f.refused(f.do(alice, request[0], one+request[1], ""), http.StatusNotFound)
		}
	})
}

func TestKeyKnowsWhatWouldEndWithIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app := f.app("app")
	key := ask[keyJSON](f, alice, http.MethodPost, "/application/"+string(app.ID)+"/keys", "")
	other := ask[keyJSON](f, alice, http.MethodPost, "/application/"+string(app.ID)+"/keys", "")
	f.session("one", app, map[string]string{"/private/a": key.ID, "/private/b": key.ID, "/private/c": other.ID})
	f.session("two", app, map[string]string{"/private/a": key.ID})
	f.session("three", app, map[string]string{"/public/a": ""})
	f.follow = map[pandapush.Follower]pandapush.FollowerCount{
		{App: app.ID, Key: pandapush.KeyID(key.ID)}:   {Connections: 5, Subscriptions: 10},
		{App: app.ID, Key: pandapush.KeyID(other.ID)}: {Connections: 100, Subscriptions: 100},
	}
	f.runLive()
	got := ask[struct {
		Key                        keyJSON
		Subscriptions, Connections int
		Complete                   bool
	}](f, alice, http.MethodGet, "/application/"+string(app.ID)+"/keys/"+key.ID, "")
	if got.Key.ID != key.ID || got.Subscriptions != 13 || got.Connections != 7 || !got.Complete {
		t.Errorf("%+v", got)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, f *fixture) {
		t.Helper()
		app := f.app("app")
		path, channel := "/application/"+string(app.ID), "/"+string(app.ID)+"/private/a"
		mint := func(route, body string) string {
			return ask[map[string]string](f, alice, http.MethodPost, path+route, body)["token"]
		}
		may := func(token string, action pandapush.Action, name string) bool {
			target, err := pandapush.ParsePattern(name)
			if err != nil {
				t.Fatal(err)
			}
			_, err = pandapush.NewAuthority(f.keys).Authorize(pandapush.Credential{Token: token, Given: true}, action, target, time.Now())
			return err == nil
		}
		// The old console's first requests, at the same time: one key is made.
		var both sync.WaitGroup
		for range 3 {
			both.Go(func() {
				if token := mint("/token", `{"channel":"`+channel+`","presence":null,"pub":true}`); !may(token, pandapush.Publish, channel) || may(token, pandapush.Subscribe, channel) {
					t.Error("the console's token may not publish, or subscribe")
				}
			})
		}
		both.Wait()
		keys := ask[[]keyJSON](f, alice, http.MethodGet, path+"/keys", "")
		if len(keys) != 1 || keys[0].Purpose != "web console" || keys[0].Expires.Year() != time.Now().UTC().Year()+10 {
			t.Errorf("keys %+v", keys)
		}
		room := "/" + string(app.ID) + "/presence/room"
		token := mint("/keys/"+keys[0].ID+"/token", `{"channel":"`+room+`","sub":true,"presence":{"id":"x"},"expires":"2099-01-01T00:00:00Z"}`)
		if !may(token, pandapush.Subscribe, room) || may(token, pandapush.Subscribe, channel) {
			t.Error("the presence token may not subscribe, or elsewhere")
		}
		for body, field := range map[string]string{
			`{}`:                            "channel",
			`{"channel":"nonsense"}`:        "channel",
			`{"channel":"/other/public/a"}`: "channel",
			`{"channel":"` + room + `","presence":{}}`:                       "presence",
			`{"channel":"` + room + `","presence":"x"}`:                      "presence",
			`{"channel":"` + channel + `","expires":"2001-01-01T00:00:00Z"}`: "expires",
			`{"channel":"` + channel + `","pub":"yes"}`:                      "pub",
		} {
			f.refused(f.do(alice, http.MethodPost, path+"/token", body), http.StatusBadRequest, field)
		}
		r := f.do(alice, http.MethodPost, path+"/keys/nosuch/token", `{"channel":"`+channel+`"}`, "Accept: */*")
		if r.status != http.StatusNotFound || string(r.body) != "could not find key" {
			t.Errorf("with a key that is not there: %d %s", r.status, r.body)
		}
	})
}
