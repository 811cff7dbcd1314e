package main

import (
	"strings"
	"testing"
)

// TestSessions: an operator sees a connected client, and ends it: its socket closes and its session is gone.
func TestSessions(t *testing.T) {
	env := settings(t)
	n := startNode(t, env)
	env = vars{"DATA_DIR": env["DATA_DIR"]}
	if list := decoded[[]sessionJSON](t, env, "sessions", "list", "--json"); len(list) != 0 {
		t.Fatalf("there are sessions: %+v", list)
	}
	s := n.dial(t)
	s.subscribe(keyPair{"devkey", "devsecret"}, "/devapp/private/a/*")

	list := decoded[[]sessionJSON](t, env, "sessions", "list", "--app", "devapp", "--json")
	if len(list) != 1 || !list[0].Attached || list[0].Node == "" || list[0].Transport != "websocket" || strings.Join(list[0].Subscriptions, " ") != "/devapp/private/a/*" || list[0].Cursors["devapp"] == "" {
		t.Fatalf("sessions list printed %+v", list)
	}
	if others := decoded[[]sessionJSON](t, env, "sessions", "list", "--app", "other", "--json"); len(others) != 0 {
		t.Errorf("of another application: %+v", others)
	}
	if table := mustCommand(t, env, "sessions", "list"); !strings.Contains(table, list[0].ID) || !strings.Contains(table, "/devapp/private/a/*") {
		t.Errorf("sessions list printed\n%s", table)
	}
	mustCommand(t, env, "sessions", "kick", list[0].ID)
	<-s.closed
	if left := decoded[[]sessionJSON](t, env, "sessions", "list", "--json"); len(left) != 0 {
		t.Errorf("after the kick: %+v", left)
	}
	if _, _, err := command(t, env, "sessions", "kick", list[0].ID); err == nil || err.Error() != "there is no such session" {
		t.Errorf("a second kick: %v", err)
	}
}

// TestNodesList: a node is listed while it runs.
func TestNodesList(t *testing.T) {
	env := settings(t)
	startNode(t, env)
	env = vars{"DATA_DIR": env["DATA_DIR"]}
	var list []nodeJSON
	eventually(t, "the node is listed", func() bool { // with its first sample
		list = decoded[[]nodeJSON](t, env, "nodes", "list", "--json")
		return len(list) > 0
	})
	if len(list) != 1 || list[0].ID == "" || list[0].Version == "" || list[0].Started.IsZero() || list[0].Draining || list[0].Connections != 0 {
		t.Errorf("nodes list --json printed %+v", list)
	}
	table := strings.Split(mustCommand(t, env, "nodes", "list"), "\n")
	if len(table) != 2 || !strings.HasPrefix(table[1], list[0].ID+"  ") || !strings.Contains(table[1], "  running  ") {
		t.Errorf("nodes list printed %q", table)
	}
}

func TestSessionsWithoutARunningServer(t *testing.T) {
	_, _, err := command(t, vars{"DATA_DIR": t.TempDir()}, "sessions", "list")
	if err == nil || !strings.Contains(err.Error(), "no Redis is configured") {
		t.Errorf("sessions list: %v", err)
	}
}
