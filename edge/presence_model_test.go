package edge

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

var (
	modelRounds = flag.Int("presence.rounds", 4, "rounds of TestPresenceModel")
	modelSeed   = flag.Uint64("presence.seed", 0, "its seed; 0 for any")
)

// mortal is what a node has of Redis, until it is killed: then nothing that it writes arrives.
type mortal struct {
	*streams.Streams
	dead atomic.Bool
}

func (m *mortal) SaveSession(ctx context.Context, id string, s pandapush.Session, ttl time.Duration) error {
	if m.dead.Load() {
		return pandapush.ErrUnavailable
	}
	return m.Streams.SaveSession(ctx, id, s, ttl)
}

func (m *mortal) LeavePresence(ctx context.Context, seats []pandapush.Seat) error {
	if m.dead.Load() {
		return pandapush.ErrUnavailable
	}
	return m.Streams.LeavePresence(ctx, seats)
}

// world is three nodes on a real Redis, the tabs of some users, and who should be where.
type world struct {
	t     *testing.T
	rand  *rand.Rand
	redis *redis.Client
	nodes []*worldNode
	rooms []string
	tabs  []*tab
	// members says who is in each room as what: the model.
	members map[string]map[string]string
	version int
	steps   []string
}

type worldNode struct {
	*node
	mortal *mortal
	clock  *clock
}

// tab is one session of a user in one room.
type tab struct {
	w                *world
	id, user, room   string
	data             string // as which it subscribed last
	open, subscribed bool
	seated           bool      // subscribed, and its time is not over
	renewed          bool      // its last subscribe by this socket was not the first
	socket           *wsClient // nil while it is not attached
	node             *worldNode

	roster map[string]string // as the tab knows it
	from   pandapush.Position
	last   pandapush.Cursor
	settle string // the data of the message that ends a quiet moment; seen if it is equal to the world's
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	server := streamstest.Start(t, streamstest.Options{})
	w := &world{t: t, rand: rand.New(rand.NewPCG(seed, 0)), redis: server.Client(), members: map[string]map[string]string{}}
	for _, name := range []string{"a", "b", "c"} {
		w.nodes = append(w.nodes, startWorldNode(t, server.URL(), name))
	}
	return w
}

// startWorldNode starts a node that has a real Redis.
func startWorldNode(t *testing.T, url, name string) *worldNode {
	t.Helper()
	s, err := streams.Open(t.Context(), streams.Config{Redis: streams.Topology{URLs: []string{url}}, Node: name})
	if err != nil {
		t.Fatal(err)
	}
	w := &worldNode{node: &node{keys: newMemoryKeys(t, testKey)}, mortal: &mortal{Streams: s}, clock: newClock()}
	w.Server = New(Config{
		Node: name, Stream: w.mortal, Records: w.mortal, Presence: w.mortal, Occupancy: w.mortal, Keys: w.keys, Log: slog.New(slog.DiscardHandler),
		Timeout: time.Minute, PresenceTTL: time.Minute, PingInterval: 24 * time.Hour, Now: w.clock.get,
	})
	router := echo.New()
	w.Routes(router)
	w.web = httptest.NewServer(router)
	w.url = w.web.URL
	ctx, cancel := context.WithCancel(context.Background())
	w.running.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	w.running.Go(func() {
		if err := s.Run(ctx, streams.Handlers{Deliver: w.Deliver, Gap: w.Gap, Notice: func(streams.Notice) {}, Mail: w.Mail}); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		w.web.CloseClientConnections()
		cancel()
		w.running.Wait()
		w.web.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) any() *worldNode { return w.nodes[w.rand.IntN(len(w.nodes))] }

func (w *world) step(format string, args ...any) {
	w.steps = append(w.steps, fmt.Sprintf(format, args...))
}

// pick returns a random tab that is ok, or nil.
func (w *world) pick(ok func(*tab) bool) *tab {
	fit := slices.DeleteFunc(slices.Clone(w.tabs), func(t *tab) bool { return !t.open || !ok(t) })
	if len(fit) == 0 {
		return nil
	}
	return fit[w.rand.IntN(len(fit))]
}

// openTab has a user come to a room in another tab.
func (w *world) openTab() {
	n := w.any()
	t := &tab{w: w, id: n.handshake(w.t), user: fmt.Sprint("u", w.rand.IntN(3)), room: w.rooms[w.rand.IntN(len(w.rooms))], open: true}
	w.tabs = append(w.tabs, t)
	if w.rand.IntN(4) > 0 {
		t.attach(w.any())
	}
	t.subscribe()
}

// attach connects a tab, which counts for itself, and reads what comes.
func (t *tab) attach(n *worldNode) {
	t.w.step("%s of %s in %s attaches to %s", t.id[:4], t.user, t.room, n.cfg.Node)
	t.socket, t.node, t.renewed = n.dial(t.w.t), n, false
	since := ""
	if t.last.Epoch != "" {
		since = fmt.Sprintf(`,"ext":{"since":{"app":%q}}`, t.last)
	}
	t.socket.send(fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket","id":"held"%s}`, t.id, since))
	t.take(t.socket.ask(fmt.Sprintf(`{"channel":"/meta/unsubscribe","clientId":%q,"subscription":"/app/public/none"}`, t.id)))
}

// take applies what has come before and with a reply, and then the reply.
func (t *tab) take(reply message) {
	got := t.socket.got
	t.socket.got = nil
	for _, m := range got {
		t.hear(m)
	}
	if reply.Channel == "/meta/subscribe" {
		t.learn(reply)
	}
}

// learn takes who is in the room from a reply to a subscribe.
func (t *tab) learn(reply message) {
	var ext struct {
		Cursor   string
		Presence struct{ Subscribe map[string]json.RawMessage }
	}
	if err := json.Unmarshal(reply.Ext, &ext); err != nil || !reply.ok() {
		t.w.fail("reply %+v: %v", reply, err)
	}
	cursor, err := pandapush.ParseCursor("app", ext.Cursor)
	if err != nil {
		t.w.fail("cursor %q: %v", ext.Cursor, err)
	}
	if t.last.Epoch == "" {
		t.last = cursor
	}
	t.from, t.roster = cursor.Position, map[string]string{}
	for user, data := range ext.Presence.Subscribe {
		t.roster[user] = string(data)
	}
}

// hear applies a message. Notices must come once, in order, and tell what is new.
func (t *tab) hear(m message) {
	cursor, err := pandapush.ParseCursor("app", m.ID)
	if err != nil || cursor.Position.Compare(t.last.Position) <= 0 {
		t.w.fail("%s got %s at %s, after %s: %v", t.id[:4], m.Data, m.ID, t.last, err)
	}
	t.last = cursor
	if m.Ext == nil {
		t.settle = string(m.Data)
		return
	}
	if cursor.Position.Compare(t.from) <= 0 {
		if t.renewed { // it was on its way when the tab subscribed again
			return
		}
		t.w.fail("%s was told %s at %s, which it knew at %v", t.id[:4], m.Data, m.ID, t.from)
	}
	var notice struct{ Subscribe, Unsubscribe map[string]json.RawMessage }
	if err := json.Unmarshal(m.Data, &notice); err != nil || m.Channel != t.room {
		t.w.fail("%s: notice %s on %s: %v", t.id[:4], m.Data, m.Channel, err)
	}
	for user, data := range notice.Subscribe {
		if t.roster[user] == string(data) {
			t.w.fail("%s in %s was told twice that %s is %s", t.id[:4], t.room, user, data)
		}
		t.roster[user] = string(data)
	}
	for user := range notice.Unsubscribe {
		if _, here := t.roster[user]; !here {
			t.w.fail("%s in %s was told that %s has gone, who was not there", t.id[:4], t.room, user)
		}
		delete(t.roster, user)
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf(format+"\nafter\n%s", append(args, strings.Join(w.steps, "\n"))...)
}

// subscribe subscribes a tab, maybe again and maybe as something or somebody new: by its socket, or else by any node.
func (t *tab) subscribe() {
	w := t.w
	was := t.user
	if w.rand.IntN(5) == 0 { // somebody else has logged in there
		t.user = fmt.Sprint("u", w.rand.IntN(3))
	}
	if t.data == "" || t.user != was || w.rand.IntN(2) == 0 {
		w.version++
		t.data = fmt.Sprintf(`{"id":%q,"v":%d}`, t.user, w.version)
	}
	w.step("%s subscribes to %s as %s", t.id[:4], t.room, t.data)
	body := enterBody(w.t, t.id, t.room, t.data, "")
	if t.socket != nil {
		t.take(t.socket.ask(body))
	} else {
		t.learn(w.any().say(w.t, body)[0])
	}
	t.renewed = t.subscribed && t.socket != nil
	t.subscribed, t.seated = true, true
	w.members[t.room][t.user] = t.data
	t.forget(was)
}

// gone takes a tab's seat out of the model.
func (t *tab) gone() {
	t.seated = false
	t.forget(t.user)
}

// forget takes a user out of the tab's room in the model, unless a tab is there as that.
func (t *tab) forget(user string) {
	if !slices.ContainsFunc(t.w.tabs, func(o *tab) bool { return o.seated && o.user == user && o.room == t.room }) {
		delete(t.w.members[t.room], user)
	}
}

func (t *tab) unsubscribe() {
	t.w.step("%s unsubscribes", t.id[:4])
	body := fmt.Sprintf(`{"channel":"/meta/unsubscribe","clientId":%q,"subscription":%q}`, t.id, t.room)
	if t.socket != nil {
		t.take(t.socket.ask(body))
	} else {
		t.w.any().say(t.w.t, body)
	}
	t.subscribed = false
	t.gone()
}

// close ends a tab for good.
func (t *tab) close() {
	t.w.step("%s disconnects", t.id[:4])
	t.w.any().disconnect(t.w.t, t.id)
	t.open, t.subscribed = false, false
	t.drop()
	t.gone()
}

// drop loses a tab's connection without a word. What had come by then has been read.
func (t *tab) drop() {
	if t.socket == nil {
		return
	}
	t.w.step("%s loses its connection", t.id[:4])
	_ = t.socket.conn.NetConn().Close()
	t.socket = nil
}

// killNode takes a node away, with all of its connections, and starts another in its place.
func (w *world) killNode() {
	n := w.any()
	w.step("%s is killed", n.cfg.Node)
	n.mortal.dead.Store(true)
	for _, t := range w.tabs {
		if t.node == n && t.socket != nil {
			t.drop()
		}
	}
	n.awaitNoSockets()
	n.mortal.dead.Store(false)
}

// timeOut lets the leases of tabs run out that have no connection, and waits until their seats have been given up. When
// they come back, they sit down again.
func (w *world) timeOut() {
	leases := w.key("pp:{*}:leases")
	waiting := map[string]bool{}
	for _, t := range w.tabs {
		if !t.seated || t.socket != nil || w.rand.IntN(2) == 0 {
			continue
		}
		w.step("the time of %s is over", t.id[:4])
		lease := t.id + " " + t.room
		if err := w.redis.ZAddXX(w.t.Context(), leases, redis.Z{Score: 1, Member: lease}).Err(); err != nil {
			w.fail("lease: %v", err)
		}
		waiting[lease] = true
		t.gone()
	}
	tick := time.NewTicker(10 * time.Millisecond) // Redis gives no signal
	defer tick.Stop()
	for lease := range waiting {
		for w.redis.ZScore(w.t.Context(), leases, lease).Err() == nil {
			<-tick.C
		}
	}
}

// key returns the name of the one key that matches a pattern, or "".
func (w *world) key(pattern string) string {
	names := append(w.redis.Keys(w.t.Context(), pattern).Val(), "")
	if len(names) > 2 {
		w.fail("keys %v", names)
	}
	return names[0]
}

// awaitEmptyRooms waits until nothing is left of the rooms, when all tabs have been closed. A node may have seated a session
// again at the moment when another ended it; it takes the seat back when it hears of that.
func (w *world) awaitEmptyRooms() {
	tick := time.NewTicker(10 * time.Millisecond) // Redis gives no signal
	defer tick.Stop()
	timeout := time.After(patience)
	for _, room := range w.rooms {
		for {
			left := w.redis.Keys(w.t.Context(), "pp:{*}:*:"+room).Val()
			if len(left) == 0 {
				break
			}
			select {
			case <-tick.C:
			case <-timeout:
				w.fail("when all have gone there is %s", left)
			}
		}
	}
}

// check waits for a quiet moment, and compares what all tabs know with the model.
func (w *world) check() {
	for _, room := range w.rooms {
		w.version++
		end := fmt.Sprint(w.version)
		w.step("check of %s", room)
		w.any().publish(w.t, room, end)
		for _, t := range w.tabs {
			if t.room != room || !t.subscribed || t.socket == nil {
				continue
			}
			for t.settle != end {
				t.hear(t.socket.deliveries(1)[0])
			}
			if !maps.Equal(t.roster, w.members[room]) {
				w.fail("%s of %s in %s sees %v, but there are %v", t.id[:4], t.user, room, t.roster, w.members[room])
			}
		}
	}
}

// TestPresenceModel has users come and go in random ways: in several tabs, by any of three nodes, whose clocks jump and which
// are killed, losing connections, coming back in time and too late. Whenever it is quiet, each tab that is connected knows
// who is in its room, from what it was told at the beginning and the notices since, none of which came twice, or told
// what was no news.
func TestPresenceModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to repeat: -presence.seed %d", seed)
	w := newWorld(t, seed)
	for round := range *modelRounds {
		w.steps, w.tabs, w.rooms = nil, nil, nil
		for i := range 2 {
			room := fmt.Sprintf("/app/presence/room-%d-%d", round, i)
			w.rooms, w.members[room] = append(w.rooms, room), map[string]string{}
		}
		for range 6 {
			w.openTab()
		}
		for range 60 {
			w.act()
		}
		w.timeOut()
		w.check()
		for _, t := range w.tabs {
			if t.open && t.socket == nil && t.subscribed {
				w.comeBack(t)
			}
		}
		w.check()
		for _, t := range w.tabs {
			if t.open {
				t.close()
			}
		}
		w.awaitEmptyRooms()
	}
}

// act does one thing at random.
func (w *world) act() {
	detached := func(t *tab) bool { return t.socket == nil }
	attached := func(t *tab) bool { return t.socket != nil }
	switch n := w.rand.IntN(20); {
	case n < 4:
		w.openTab()
	case n < 6:
		if t := w.pick(func(*tab) bool { return true }); t != nil {
			t.close()
		}
	case n < 8:
		if t := w.pick(func(t *tab) bool { return t.subscribed }); t != nil {
			t.unsubscribe()
		}
	case n < 10:
		if t := w.pick(func(*tab) bool { return true }); t != nil {
			t.subscribe()
		}
	case n < 12:
		if t := w.pick(attached); t != nil {
			t.drop()
		}
	case n < 16:
		if t := w.pick(detached); t != nil {
			w.comeBack(t)
		}
	case n < 17:
		w.killNode()
	case n < 18:
		n, by := w.any(), time.Duration(w.rand.IntN(600)-300)*time.Second
		w.step("the clock of %s jumps by %s", n.cfg.Node, by)
		n.clock.add(by)
	case n < 19:
		w.timeOut()
	default:
		w.check()
	}
}

// comeBack attaches a tab again, to any node. One whose time was over is in its room again, as what it was.
func (w *world) comeBack(t *tab) {
	t.attach(w.any())
	if !t.subscribed || t.seated {
		return
	}
	t.seated = true
	if _, here := w.members[t.room][t.user]; !here {
		w.members[t.room][t.user] = t.data
	}
}
