package admin_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// session stores a session with subscriptions, channel below the application → key, that is older than any message.
func (f *fixture) session(id string, app pandapush.App, subs map[string]string) {
	f.t.Helper()
	f.sessionOf(id, app, time.Now().Add(-time.Hour), subs)
}

// sessionOf is session with a moment at which it began.
func (f *fixture) sessionOf(id string, app pandapush.App, created time.Time, subs map[string]string) {
	f.t.Helper()
	tail, err := f.streams.Tail(f.t.Context(), app.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	s := pandapush.Session{
		Owner: "one", Attached: true, Created: created, Subscriptions: map[string]pandapush.Subscription{},
		Cursors: map[pandapush.AppID]pandapush.Cursor{app.ID: tail}, Transport: pandapush.TransportWebSocket, UserAgent: "Browser/1",
	}
	for channel, key := range subs {
		pattern := "/" + string(app.ID) + channel
		grant := pandapush.Grant{App: app.ID, Scope: pattern, Sub: true, Key: pandapush.KeyID(key)}
		if strings.HasPrefix(channel, "/presence/") {
			grant.User = "user-" + id
		}
		s.Subscriptions[pattern] = pandapush.Subscription{Grant: grant}
	}
	if err := f.streams.CreateSession(f.t.Context(), id, s, time.Minute); err != nil {
		f.t.Fatal(err)
	}
}

// connection is a session as the API shows it.
type connection struct {
	ID, Node      string
	Transport     string
	UserAgent     string `json:"user_agent"`
	Attached      bool
	ExpiresIn     int `json:"expires_in"`
	Cursor        string
	Lag           *float64
	Subscriptions []struct{ Pattern, Key, User string }
}

type connections struct {
	Connections  []connection
	Next         string
	Total        int
	Complete     bool
	EventStreams int `json:"event_streams"`
}

func TestConnectionsComeInPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app := f.app("app")
	for n := range 7 {
		f.session(fmt.Sprint("client", n), app, map[string]string{"/presence/room": "key1"})
	}
	f.session("elsewhere", app, map[string]string{"/public/a": ""})
	f.follow = map[pandapush.Follower]pandapush.FollowerCount{
		{App: app.ID}:               {Connections: 2, Subscriptions: 2},
		{App: app.ID, Key: "key1"}:  {Connections: 1, Subscriptions: 3},
		{App: "other", Key: "key1"}: {Connections: 10, Subscriptions: 10},
	}
	f.runLive()
	path := "/application/" + string(app.ID) + "/connections?limit=3&channel=/" + string(app.ID) + "/presence/room"
	seen := map[string]bool{}
	after := ""
	for _, want := range []int{3, 3, 1} {
		page := ask[connections](f, alice, http.MethodGet, path+after, "")
		if len(page.Connections) != want || page.Total != 7 || !page.Complete || page.EventStreams != 3 || (page.Next == "") != (want == 1) {
			t.Fatalf("page after %q: %+v", after, page)
		}
		for _, c := range page.Connections {
			seen[c.Subscriptions[0].User] = true
		}
		after = "&after=" + page.Next
	}
	if len(seen) != 7 {
		t.Errorf("%d of 7 were seen", len(seen))
	}
	f.refused(f.do(alice, http.MethodGet, path+"&after=client1", ""), http.StatusBadRequest, "after")
}

func TestConnections(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app, other := f.app("app"), f.app("other")
	id := string(app.ID)
	f.session("client1", app, map[string]string{"/private/a": "key1", "/public/*": ""})
	f.session("client2", app, map[string]string{"/presence/room": "key1"})
	f.session("elsewhere", other, map[string]string{"/public/a": ""})
	path := "/application/" + id + "/connections"

	raw := f.do(alice, http.MethodGet, path, "")
	if strings.Contains(string(raw.body), "client1") {
		t.Errorf("a client id is told: %s", raw.body)
	}
	got := ask[connections](f, alice, http.MethodGet, path, "")
	if len(got.Connections) != 2 || !got.Complete {
		t.Fatalf("got %+v", got)
	}
	for query, want := range map[string]int{
		"?channel=/" + id + "/private/a":     1,
		"?channel=/" + id + "/public/x":      1,
		"?channel=/" + id + "/public/x/y":    0,
		"?channel=/" + id + "/presence/room": 1,
		"?user=user-client2":                 1,
		"?user=nobody":                       0,
		"?limit=1":                           1,
	} {
		if got := ask[connections](f, alice, http.MethodGet, path+query, ""); len(got.Connections) != want || !got.Complete {
			t.Errorf("%s: %+v", query, got)
		}
	}
	f.refused(f.do(alice, http.MethodGet, path+"?channel=/other/public/a&limit=0", ""), http.StatusBadRequest, "limit", "channel")

	room := ask[connections](f, alice, http.MethodGet, path+"?user=user-client2", "").Connections[0]
	if room.Node != "one" || room.Transport != "websocket" || room.UserAgent != "Browser/1" || !room.Attached || room.ExpiresIn < 1 || room.ExpiresIn > 60 || room.Lag == nil || *room.Lag != 0 ||
		len(room.Subscriptions) != 1 || room.Subscriptions[0].Key != "key1" || room.Subscriptions[0].User != "user-client2" {
		t.Errorf("got %+v", room)
	}
	f.streams.Send("/"+id+"/private/a", `1`)
	if late := ask[connections](f, alice, http.MethodGet, path+"?user=user-client2", "").Connections[0]; late.Lag == nil || *late.Lag < 0 {
		t.Errorf("after a message: %+v", late)
	}

	// Its name is good for this application alone.
	f.refused(f.do(alice, http.MethodDelete, "/application/"+string(other.ID)+"/connections/"+room.ID, ""), http.StatusNotFound)
	f.refused(f.do(alice, http.MethodDelete, path+"/client2", ""), http.StatusNotFound)
	if r := f.do(alice, http.MethodDelete, path+"/"+room.ID, ""); r.status != http.StatusNoContent {
		t.Errorf("ended: %d %s", r.status, r.body)
	}
	if mail := f.streams.AwaitMails(1)[0]; mail.Kind != pandapush.MailEnded || mail.Session != "client2" {
		t.Errorf("the node was told %+v", mail)
	}
	f.refused(f.do(alice, http.MethodDelete, path+"/"+room.ID, ""), http.StatusNotFound)
	if got := ask[changes](f, alice, http.MethodGet, "/application/"+id+"/audit?action=connection", ""); len(got.Changes) != 1 {
		t.Errorf("audit: %+v", got)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app := f.app("app")
	f.streams.Send("/"+string(app.ID)+"/public/a", `12345`)
	f.runLive()
	type sample struct {
		At    time.Time
		Total struct{ Published float64 }
		Nodes map[string]any
	}
	got := ask[struct {
		Interval int
		Samples  []sample
		Stream   struct {
			Length int64
			MaxAge int `json:"max_age"`
		}
	}](f, alice, http.MethodGet, "/application/"+string(app.ID)+"/stats", "")
	if got.Interval != 5 || len(got.Samples) != 1 || got.Stream.MaxAge != 3600 || got.Stream.Length != 1 {
		t.Errorf("stats of the application: %+v", got)
	}
	all := ask[struct{ Samples []sample }](f, root, http.MethodGet, "/stats", "")
	if len(all.Samples) != 1 || len(all.Samples[0].Nodes) != 1 {
		t.Errorf("stats: %+v", all)
	}
	nodes := ask[[]struct {
		ID, Version string
		Self        bool
	}](f, root, http.MethodGet, "/nodes", "")
	if len(nodes) != 1 || nodes[0].ID != "one" || nodes[0].Version != "test" || !nodes[0].Self {
		t.Errorf("nodes: %+v", nodes)
	}
}

// TestFollow reads event streams, and holds each event to the document.
func TestFollow(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app := f.app("app")
	f.runLive()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	open := func(user, path string) (status int, body *bufio.Reader) {
		r := f.request(user, http.MethodGet, server.URL+"/admin/api"+path, "")
		r.RequestURI = ""
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = answer.Body.Close() })
		return answer.StatusCode, bufio.NewReader(answer.Body)
	}
	for _, row := range []struct {
		user, path, schema string
		status             int
	}{
		{root, "/stats/events", "ServiceSample", 200},
		{alice, "/stats/events", "", 403},
		{alice, "/application/" + string(app.ID) + "/stats/events", "ApplicationSample", 200},
		{stranger, "/application/" + string(app.ID) + "/stats/events", "", 404},
		{nobody, "/stats/events", "", 401},
	} {
		status, body := open(row.user, row.path)
		if status != row.status {
			t.Errorf("%s by %q: %d", row.path, row.user, status)
		}
		if row.status != http.StatusOK {
			continue
		}
		event, err1 := body.ReadString('\n')
		data, err2 := body.ReadString('\n')
		end, err3 := body.ReadString('\n')
		if event != "event: sample\n" || !strings.HasPrefix(data, "data: ") || end != "\n" || err1 != nil || err2 != nil || err3 != nil {
			t.Errorf("%s: %q %q %q", row.path, event, data, end)
			continue
		}
		f.document.CheckSchema(t, row.schema, []byte(strings.TrimPrefix(data, "data: ")))
	}
	_, body := open(root, "/stats/events")
	f.admin.Drain()
	for {
		if _, err := body.ReadString('\n'); err != nil {
			break // the stream has ended
		}
	}
}

// deadline remembers the deadline of a connection, and tells when something has been written to it.
type deadline struct {
	*httptest.ResponseRecorder
	at    time.Time
	wrote chan struct{}
	once  sync.Once
}

// SetReadDeadline is found by http.ResponseController.
func (d *deadline) SetReadDeadline(at time.Time) error {
	d.at = at
	return nil
}

// Write implements http.ResponseWriter.
func (d *deadline) Write(b []byte) (int, error) {
	d.once.Do(func() { close(d.wrote) })
	return d.ResponseRecorder.Write(b)
}

func TestEventStreamsHaveNoDeadline(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	f.runLive()
	w := &deadline{ResponseRecorder: httptest.NewRecorder(), wrote: make(chan struct{})}
	var running sync.WaitGroup
	running.Go(func() { f.ServeHTTP(w, f.request(root, http.MethodGet, "/admin/api/stats/events", "")) })
	<-w.wrote
	f.admin.Drain()
	running.Wait()
	if w.Code != http.StatusOK || !w.at.IsZero() {
		t.Errorf("status %d, the deadline is %v", w.Code, w.at)
	}
}

// page is a list of stored messages.
type page struct {
	Entries []struct {
		ID, Channel string
		At          time.Time
		Size        int
		Data        json.RawMessage
	}
	Next   *string
	Stream struct {
		Length int64
		Oldest *time.Time `json:"oldest_at"`
	}
}

func TestStreamBrowser(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app := f.app("app")
	id := string(app.ID)
	var cursors []pandapush.Cursor
	for i, channel := range []string{"/public/a", "/public/b", "/private/a/b", "/public/a", "/public/a"} {
		cursors = append(cursors, f.streams.Send("/"+id+channel, string(rune('0'+i))))
	}
	path := "/application/" + id + "/stream"
	list := func(query string) string {
		var all []string
		for _, e := range ask[page](f, alice, http.MethodGet, path+query, "").Entries {
			all = append(all, string(e.Data))
		}
		return strings.Join(all, "")
	}
	at := func(i int) string {
		return url.QueryEscape(time.UnixMilli(int64(cursors[i].Position.Millis)).Format(time.RFC3339Nano))
	}
	for query, want := range map[string]string{
		"":                               "43210",
		"?order=oldest":                  "01234",
		"?channel=/" + id + "/public/a":  "430",
		"?channel=/" + id + "/public/**": "4310",
		"?channel=/" + id + "/private/*": "",
		"?limit=2":                       "43",
		"?order=oldest&limit=2":          "01",
		"?cursor=" + cursors[2].String(): "10",
		"?order=oldest&cursor=" + cursors[2].String(): "34",
		"?from=2099-01-01T00:00:00Z":                  "",
		"?to=2001-01-01T00:00:00Z":                    "",
		"?order=oldest&from=" + at(0):                 "01234",
		"?order=oldest&to=" + at(4):                   "01234",
	} {
		if got := list(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	var seen []string
	query := "?limit=2"
	for range 5 {
		p := ask[page](f, alice, http.MethodGet, path+query, "")
		for _, e := range p.Entries {
			seen = append(seen, string(e.Data))
		}
		if p.Next == nil {
			break
		}
		query = "?limit=2&cursor=" + *p.Next
	}
	if got := strings.Join(seen, ""); got != "43210" {
		t.Errorf("pages have %s", got)
	}
	if p := ask[page](f, alice, http.MethodGet, path, ""); p.Stream.Length != 5 || p.Stream.Oldest == nil || p.Entries[0].Size != 1 || p.Entries[0].ID != cursors[4].String() {
		t.Errorf("page %+v", p)
	}
	for query, field := range map[string]string{
		"?channel=/other/public/a": "channel", "?channel=x": "channel", "?from=yesterday": "from", "?cursor=x": "cursor",
		"?cursor=" + strings.Replace(cursors[0].String(), string(cursors[0].Epoch), string(pandapush.NewEpoch(app.ID)), 1): "cursor",
		"?limit=501": "limit", "?order=random": "order", "?since=1": "since",
	} {
		f.refused(f.do(alice, http.MethodGet, path+query, ""), http.StatusBadRequest, field)
	}
}

func TestStreamBrowserIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, databases["sqlite"](t))
	app := f.app("app")
	id := string(app.ID)
	needle := f.streams.Send("/"+id+"/public/needle", `"found"`)
	for range 9 { // more than one request looks at
		batch := make([]pandapush.Message, 1000)
		for i := range batch {
			batch[i] = streamstest.Message(t, "/"+id+"/public/hay", `1`)
		}
		if _, err := f.streams.AppendAll(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	path := "/application/" + id + "/stream?channel=/" + id + "/public/needle"
	first := ask[page](f, alice, http.MethodGet, path, "")
	if len(first.Entries) != 0 || first.Next == nil {
		t.Fatalf("the first page has %d entries, next %v", len(first.Entries), first.Next)
	}
	second := ask[page](f, alice, http.MethodGet, path+"&cursor="+*first.Next, "")
	if len(second.Entries) != 1 || second.Next != nil || second.Entries[0].ID != needle.String() {
		t.Errorf("the second page: %+v", second)
	}
	large := f.streams.Send("/"+id+"/public/needle", `"`+strings.Repeat("x", 70<<10)+`"`)
	p := ask[page](f, alice, http.MethodGet, path+"&limit=1", "")
	if string(p.Entries[0].Data) != "null" || p.Entries[0].Size != 70<<10+2 {
		t.Errorf("a large entry is listed with %d bytes of %d", len(p.Entries[0].Data), p.Entries[0].Size)
	}
	whole := ask[struct{ Entry struct{ Data string } }](f, alice, http.MethodGet, "/application/"+id+"/stream/"+large.String(), "")
	if len(whole.Entry.Data) != 70<<10 {
		t.Errorf("a large entry by itself has %d bytes", len(whole.Entry.Data))
	}
}
