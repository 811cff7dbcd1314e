package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// enter subscribes to a room as what presence says, and waits until that is confirmed.
func (s *bayeuxSocket) enter(env vars, room, presence string) {
	s.tb.Helper()
	token := mustCommand(s.tb, env, "token", room, "--key", devKey.id, "--sub", "--presence", presence)
	s.send(fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":%q,"ext":{"auth":{"token":%q}}}`, s.clientID, room, token))
	reply := s.await("the reply to a subscribe", func(m wireMessage) bool { return m.Channel == "/meta/subscribe" })
	if !*reply.Successful {
		s.tb.Fatalf("enter %s: %s", room, reply.Error)
	}
}

// TestPresenceList: who is in a room, as a page of the server and as the command prints it.
func TestPresenceList(t *testing.T) {
	env := settings(t).with(vars{"ROOM_PAGE": "1"})
	n := startNode(t, env)
	for _, name := range []string{"ann", "bob", "eve"} {
		n.dial(t).enter(env, "/devapp/presence/room", fmt.Sprintf(`{"id":%q,"n":1}`, name))
	}
	env = vars{"PANDAPUSH_URL": n.url, "PANDAPUSH_KEY": devKey.id, "PANDAPUSH_SECRET": devKey.secret}
	want := "ID   PRESENCE\nann  {\"id\":\"ann\",\"n\":1}\nbob  {\"id\":\"bob\",\"n\":1}\neve  {\"id\":\"eve\",\"n\":1}"
	if got := mustCommand(t, env, "presence", "list", "/devapp/presence/room"); got != want {
		t.Errorf("presence list printed\n%s\nwant\n%s", got, want)
	}
	if got := decoded[map[string]struct{ N int }](t, env, "presence", "list", "/devapp/presence/room", "--json"); len(got) != 3 || got["ann"].N != 1 {
		t.Errorf("presence list --json printed %v", got)
	}
	for channel, want := range map[string]string{
		"/devapp/public/room":   "/devapp/public/room: not a presence channel",
		"/devapp/presence/*":    "/devapp/presence/*: Invalid channel name",
		"/nosuch/presence/room": "401 Unauthorized: Could not find key",
	} {
		if _, _, err := command(t, env, "presence", "list", channel); err == nil || err.Error() != want {
			t.Errorf("presence list %s: %v, want %s", channel, err, want)
		}
	}
}

// TestPresenceSurvivesADeploy replaces three nodes one after the other, under a room of six. Nobody is told anything.
func TestPresenceSurvivesADeploy(t *testing.T) {
	const room = "/devapp/presence/room"
	env := shared(t, settings(t))
	mustCommand(t, env, "migrate", "up")
	start := func() *node { return forkNode(t, env.with(vars{"DATA_DIR": t.TempDir()})) }
	nodes := []*node{start(), start(), start()}
	var members []*bayeuxSocket
	for i := range 6 {
		s := nodes[i%3].dial(t)
		s.enter(env, room, fmt.Sprintf(`{"id":"user-%d"}`, i))
		members = append(members, s)
	}
	for i, n := range nodes {
		n.stop()
		for k, s := range members {
			if s.node == n {
				members[k] = s.moveTo(nodes[(i+1)%3])
			}
		}
		if err := n.wait(t); err != nil {
			t.Errorf("node %d ended with %v", i, err)
		}
		nodes[i] = start()
	}
	nodes[0].mustPublish(t, devKey.sign, room, `{"end":true}`)
	for i, s := range members {
		var want, got []string
		for k := i + 1; k < len(members); k++ { // who came after it
			want = append(want, fmt.Sprintf(`{"subscribe":{"user-%d":{"id":"user-%d"}}}`, k, k))
		}
		seen := map[string]bool{} // messages may be repeated to a client that does not count (P4)
		for m := s.delivery(); string(m.Data) != `{"end":true}`; m = s.delivery() {
			if !seen[string(m.ID)] {
				got = append(got, string(m.Data))
			}
			seen[string(m.ID)] = true
		}
		if !slices.Equal(got, want) {
			t.Errorf("user-%d was told %s, want %s", i, got, want)
		}
	}
	r := nodes[1].get(t, "/presence/devapp/room?token="+mustCommand(t, env, "token", room, "--key", devKey.id, "--sub"))
	if !strings.Contains(r.body, `"count":6`) {
		t.Errorf("the room is %s", r.body)
	}
}

// TestMetaChannels: the numbers of an application, and which of its channels are in use, over two nodes.
func TestMetaChannels(t *testing.T) {
	_, nodes := startTwo(t)
	nodes[1].dial(t).subscribe(devKey, "/devapp/private/there")
	s := nodes[0].dial(t)
	s.subscribe(devKey, "/devapp/private/here")
	s.subscribe(devKey, "/devapp/meta/*")

	used, told := map[string]bool{}, false
	for !told || len(used) < 2 {
		m := s.delivery()
		switch m.Channel {
		case "/devapp/meta/channels":
			var news struct{ Occupied []string }
			if err := json.Unmarshal(m.Data, &news); err != nil {
				t.Fatalf("%s: %v", m.Data, err)
			}
			for _, channel := range news.Occupied {
				if used[channel] || !strings.HasPrefix(channel, "/devapp/private/") {
					t.Errorf("told that %s is in use", channel)
				}
				used[channel] = true
			}
		case "/devapp/meta/statistics":
			var news struct {
				Source string
				Stats  struct{ Sessions, Subscriptions, Channels int }
			}
			if err := json.Unmarshal(m.Data, &news); err != nil || news.Source != "cluster" {
				t.Fatalf("%s: %v", m.Data, err)
			}
			told = news.Stats.Sessions == 2 && news.Stats.Subscriptions == 3 && news.Stats.Channels == 2
		}
	}
	if r := nodes[0].publish(t, devKey.sign, "/devapp/meta/channels", `{}`); r.status != http.StatusNotFound {
		t.Errorf("publishing on a meta channel: %d %s", r.status, r.body)
	}
}
