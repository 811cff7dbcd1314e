package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// verdict is an answer with its reasons.
type verdict struct {
	OK      bool
	Summary string
	Steps   []struct{ Name, Result, Detail string }
}

// step returns the result of a step and what is said of it.
func (v verdict) step(name string) string {
	for _, s := range v.Steps {
		if s.Name == name {
			return s.Result + ": " + s.Detail
		}
	}
	return ""
}

func TestExplainAccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app := f.app("app")
	id := string(app.ID)
	key, err := f.store.CreateKey(t.Context(), pandapush.NewKey{App: app.ID, By: alice})
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := f.store.CreateKey(t.Context(), pandapush.NewKey{App: app.ID, By: alice})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.store.RevokeKey(t.Context(), alice, app.ID, revoked.ID); err != nil {
		t.Fatal(err)
	}
	f.load()
	token := func(key pandapush.Key, claims pandapush.TokenClaims) string {
		claims.Channel = "/" + id + claims.Channel
		text, err := pandapush.MintToken(key, claims)
		if err != nil {
			t.Fatal(err)
		}
		return `"token":"` + text + `"`
	}
	secret := `"key":"` + string(key.ID) + `","secret":"` + key.Secret.Reveal() + `"`
	wrong := key
	wrong.Secret = "wrong"
	expired := pandapush.TokenClaims{Channel: "/private/a", Sub: true, Expires: time.Now().Add(-time.Hour)}
	endless := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"keyId": key.ID, "channel": "/" + id + "/private/a", "sub": true, "exp": 1e300})
	never, err := endless.SignedString([]byte(key.Secret.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, channel, credential string
		publish, subscribe        string // the step that fails, with a part of what is said of it; "" if it is allowed
	}{
		{"key", "/private/a", secret, "", ""},
		{"key, pattern", "/private/**", secret, "Channel: to one channel", ""},
		{"nothing", "/private/a", "", "Credential: No auth supplied", "Credential: No auth supplied"},
		{"nothing, public", "/public/a", "", "Credential: No auth supplied", ""},
		{"wrong secret", "/private/a", `"key":"` + string(key.ID) + `","secret":"x"`, "Proof: Invalid secret", "Proof: Invalid secret"},
		{"no such key", "/private/a", `"key":"nosuch","secret":"x"`, "Key: Could not find key", "Key: Could not find key"},
		{"secret alone", "/private/a", `"secret":"x"`, "Credential: does not include", "Credential: does not include"},
		{"nonsense", "/private/a", `"token":"x.y.z"`, "Credential: Invalid token", "Credential: Invalid token"},
		{"subscriber", "/private/a", token(key, pandapush.TokenClaims{Channel: "/private/**", Sub: true}), "Right: does not allow publishing", ""},
		{"publisher", "/private/a", token(key, pandapush.TokenClaims{Channel: "/private/**", Pub: true}), "", "Right: does not allow subscribing"},
		{"elsewhere", "/private/a", token(key, pandapush.TokenClaims{Channel: "/private/b", Sub: true}), "Channel: It is for /" + id + "/private/b", "Channel: It is for"},
		{"signature", "/private/a", token(wrong, pandapush.TokenClaims{Channel: "/private/a", Sub: true}), "Proof: not signed", "Proof: not signed"},
		{"expired", "/private/a", token(key, expired), "Proof: It expired at", "Proof: It expired at"},
		{"a time that is none", "/private/a", `"token":"` + never + `"`, "Proof: not what it should be", "Proof: not what it should be"},
		{"revoked", "/private/a", token(revoked, pandapush.TokenClaims{Channel: "/private/a", Sub: true}), "Key's life: Revoked key", "Key's life: Revoked key"},
		{"room", "/presence/a", secret, "", "Right: No presence id"},
		{"meta", "/meta/a", secret, "Right: read-only", ""},
	} {
		body := `{"channel":"/` + id + row.channel + `"`
		if row.credential != "" {
			body += "," + row.credential
		}
		raw := f.do(auditor, http.MethodPost, "/application/"+id+"/explain/access", body+"}")
		if strings.Contains(string(raw.body), key.Secret.Reveal()) {
			t.Errorf("%s: the answer has the secret", row.name)
		}
		got := ask[struct {
			Publish, Subscribe verdict
			Claims             map[string]any
		}](f, auditor, http.MethodPost, "/application/"+id+"/explain/access", body+"}")
		for action, v := range map[string][2]any{"publish": {got.Publish, row.publish}, "subscribe": {got.Subscribe, row.subscribe}} {
			v, want := v[0].(verdict), v[1].(string)
			name, detail, _ := strings.Cut(want, ": ")
			said := v.step(name)
			if v.OK != (want == "") || want != "" && (!strings.HasPrefix(said, "failed: ") || !strings.Contains(said, detail) || !strings.Contains(v.Summary, detail)) {
				t.Errorf("%s, %s: %+v, want %q", row.name, action, v, want)
			}
		}
		if isToken := strings.HasPrefix(row.credential, `"token":"ey`); isToken != (got.Claims["keyId"] != nil) {
			t.Errorf("%s: claims %v", row.name, got.Claims)
		}
	}
	suspended := pandapush.AppChange{Settings: &pandapush.Settings{Suspended: true}}
	if _, err := f.store.UpdateApp(t.Context(), alice, app.ID, suspended); err != nil {
		t.Fatal(err)
	}
	f.load()
	got := ask[struct{ Publish, Subscribe verdict }](f, alice, http.MethodPost, "/application/"+id+"/explain/access", `{"channel":"/`+id+`/public/a"}`)
	if got.Subscribe.OK || !strings.Contains(got.Subscribe.Summary, "suspended") {
		t.Errorf("suspended: %+v", got.Subscribe)
	}
	for _, body := range []string{`{}`, `{"channel":"/other/public/a"}`, `{"channel":"x"}`} {
		f.refused(f.do(alice, http.MethodPost, "/application/"+id+"/explain/access", body), http.StatusBadRequest, "channel")
	}
}

// delivery is an answer about a message's way.
type delivery struct {
	Message  verdict
	Sessions []struct {
		Connection connection
		Verdict    verdict
	}
	Complete bool
}

func TestExplainDelivery(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app := f.app("app")
	id := string(app.ID)
	path := "/application/" + id
	key, err := f.store.CreateKey(t.Context(), pandapush.NewKey{App: app.ID, By: alice})
	if err != nil {
		t.Fatal(err)
	}
	f.load()
	f.session("reader", app, map[string]string{"/private/a": string(key.ID), "/presence/room": string(key.ID)})
	f.session("other", app, map[string]string{"/public/b": ""})
	f.sessionOf("young", app, time.Now().Add(time.Hour), map[string]string{"/private/a": string(key.ID)})
	m := f.streams.Send("/"+id+"/private/a", `1`)
	hidden, err := f.streams.Append(t.Context(), pandapush.Message{Channel: streamstest.Message(t, "/"+id+"/private/a", "").Channel, Data: []byte(`2`), Exclude: "reader"})
	if err != nil {
		t.Fatal(err)
	}
	explain := func(message, who string) delivery {
		return ask[delivery](f, auditor, http.MethodPost, path+"/explain/delivery", `{"message":"`+message+`"`+who+`}`)
	}
	only := func(d delivery) verdict {
		t.Helper()
		if len(d.Sessions) != 1 || !d.Complete {
			t.Fatalf("got %+v", d)
		}
		return d.Sessions[0].Verdict
	}

	waiting := only(explain(m.String(), `,"client":"reader"`))
	if waiting.OK || !strings.HasPrefix(waiting.step("Handed on"), "failed: ") || !strings.HasPrefix(waiting.step("Grant"), "ok: ") || !strings.HasPrefix(waiting.step("Connection"), "ok: ") {
		t.Errorf("before it is handed on: %+v", waiting)
	}
	if err := f.streams.SavePositions(t.Context(), map[pandapush.AppID]pandapush.Cursor{app.ID: hidden}); err != nil {
		t.Fatal(err)
	}
	done := explain(m.String(), `,"user":"user-reader"`)
	if v := only(done); !v.OK || !done.Message.OK || !strings.HasPrefix(v.step("Handed on"), "ok: ") {
		t.Errorf("after: %+v", done)
	}
	byName := explain(m.String(), `,"connection":"`+done.Sessions[0].Connection.ID+`"`)
	if v := only(byName); !v.OK {
		t.Errorf("by its name: %+v", byName)
	}
	for _, row := range []struct{ name, message, who, step, said string }{
		{"not subscribed", m.String(), `,"client":"other"`, "Subscription", "No subscription"},
		{"left out", hidden.String(), `,"client":"reader"`, "Exclusion", "left this session out"},
		{"too young", m.String(), `,"client":"young"`, "Age", "began"},
	} {
		v := only(explain(row.message, row.who))
		if said := v.step(row.step); v.OK || !strings.HasPrefix(said, "failed: ") || !strings.Contains(said, row.said) {
			t.Errorf("%s: %+v", row.name, v)
		}
	}
	if err := f.store.RevokeKey(t.Context(), alice, app.ID, key.ID); err != nil {
		t.Fatal(err)
	}
	f.load()
	if v := only(explain(m.String(), `,"client":"reader"`)); v.OK || !strings.Contains(v.step("Grant"), "revoked") {
		t.Errorf("with a revoked key: %+v", v)
	}
	for last := m; last.Position.Millis == m.Position.Millis; { // so that there can be an id between two messages
		last = f.streams.Send("/"+id+"/private/b", `3`)
	}
	explainMessages(t, app.ID, explain, m)
	f.refused(f.do(alice, http.MethodPost, path+"/explain/delivery", `{}`), http.StatusBadRequest, "message")
}

// explainMessages asks for messages that are not there.
func explainMessages(t *testing.T, app pandapush.AppID, explain func(message, who string) delivery, m pandapush.Cursor) {
	t.Helper()
	lost, later := m, m
	lost.Epoch = pandapush.NewEpoch(app)
	later.Position.Millis += 1e9
	foreign := strings.Replace(m.String(), string(m.Epoch), string(pandapush.NewEpoch("other")), 1)
	for message, want := range map[string]string{
		"nonsense": "not the id", foreign: "not the id", later.String(): "Nothing so new", lost.String(): "has been lost",
	} {
		if got := explain(message, ""); got.Message.OK || !strings.Contains(got.Message.Summary, want) || len(got.Sessions) != 0 {
			t.Errorf("%s: %+v", message, got)
		}
	}
	never := m
	never.Position.Seq += 1000
	for message, want := range map[string]string{
		"nonsense": "not the id", foreign: "not the id", later.String(): "Nothing so new", lost.String(): "has been lost", never.String(): "no message with that id",
	} {
		got := explain(message, `,"client":"reader"`).Sessions[0].Verdict
		if got.OK || len(got.Steps) != 1 || !strings.Contains(got.Summary, want) {
			t.Errorf("%s to the reader: %+v", message, got)
		}
	}
	for _, who := range []string{`,"client":"nosuch"`, `,"connection":"nosuch"`, `,"user":"nosuch"`, ``} {
		if got := explain(m.String(), who); !got.Message.OK || len(got.Sessions) != 0 || !got.Complete {
			t.Errorf("%s: %+v", who, got)
		}
	}
}

func TestWhoSubscribedAfterAMessageDidNotGetIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app := f.app("app")
	path, channel := "/application/"+string(app.ID), "/"+string(app.ID)+"/public/a"
	begin := f.streams.Send(channel, `0`)
	m := f.streams.Send(channel, `1`)
	last := f.streams.Send(channel, `2`)
	for id, began := range map[string]pandapush.Cursor{"before": begin, "after": last, "unknown": {}} {
		f.session(id, app, map[string]string{"/public/b": ""})
		change := map[string]pandapush.Subscription{channel: {Grant: pandapush.Grant{App: app.ID, Scope: channel, Sub: true}, Began: began}}
		if _, _, err := f.streams.ChangeSubscriptions(t.Context(), id, change, nil, 10); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.streams.SavePositions(t.Context(), map[pandapush.AppID]pandapush.Cursor{app.ID: last}); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[string]string{"before": "ok: ", "after": "failed: The subscription began after", "unknown": "unknown: "} {
		got := ask[delivery](f, alice, http.MethodPost, path+"/explain/delivery", `{"message":"`+m.String()+`","client":"`+who+`"}`)
		if v := got.Sessions[0].Verdict; !strings.HasPrefix(v.step("Beginning"), want) || v.OK != (who != "after") {
			t.Errorf("%s: %+v", who, v)
		}
	}
	entry := ask[struct {
		Reached []struct{ State, Detail string }
	}](f, alice, http.MethodGet, path+"/stream/"+m.String(), "")
	states := map[string]int{}
	for _, r := range entry.Reached {
		states[r.State]++
	}
	if states["missed"] != 1 || states["received"] != 2 {
		t.Errorf("reached: %+v", entry)
	}
}

func TestEntryKnowsWhomItReached(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app := f.app("app")
	id := string(app.ID)
	f.session("reader", app, map[string]string{"/private/a": "key"})
	f.session("other", app, map[string]string{"/private/b": "key"})
	m := f.streams.Send("/"+id+"/private/a", `{"x":1}`)
	type reach struct {
		Entry   struct{ Data struct{ X int } }
		Reached []struct {
			Connection connection
			State      string
		}
		Complete bool
	}
	path := "/application/" + id + "/stream/" + m.String()
	if got := ask[reach](f, alice, http.MethodGet, path, ""); len(got.Reached) != 1 || got.Reached[0].State != "waiting" || got.Entry.Data.X != 1 || !got.Complete {
		t.Errorf("before: %+v", got)
	}
	if err := f.streams.SavePositions(t.Context(), map[pandapush.AppID]pandapush.Cursor{app.ID: m}); err != nil {
		t.Fatal(err)
	}
	if got := ask[reach](f, alice, http.MethodGet, path, ""); len(got.Reached) != 1 || got.Reached[0].State != "received" {
		t.Errorf("after: %+v", got)
	}
	f.sessionOf("late", app, time.Now().Add(time.Hour), map[string]string{"/private/*": "key"})
	if got := ask[reach](f, alice, http.MethodGet, path, ""); len(got.Reached) != 2 || got.Reached[0].State == got.Reached[1].State {
		t.Errorf("with one that came later: %+v", got)
	}
}
