package edge

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/pandapush/pandapush"
)

// TestRetryKeyTellsPublishesApart: whatever differs makes another key, and where one part ends and the next begins counts.
func TestRetryKeyTellsPublishesApart(t *testing.T) {
	seen := map[string]int{}
	for i, p := range []struct{ client, id, channel, data string }{
		{"ab", "1", "/app/public/a", "2"},
		{"ab", "1", "/app/public/a", "3"},
		{"ab", "1", "/app/public/b", "2"},
		{"ab", "2", "/app/public/a", "2"},
		{"ac", "1", "/app/public/a", "2"},
		{"ab1", "", "/app/public/a", "2"},
		{"a", "b1", "/app/public/a", "2"},
		{"ab", "1", "/app/public/a2", ""},
	} {
		channel, err := pandapush.ParseChannel(p.channel)
		if err != nil {
			t.Fatal(err)
		}
		m := pandapush.Message{Channel: channel, Data: []byte(p.data)}
		key := retryKey(p.client, []byte(p.id), &m)
		if before, known := seen[key]; known {
			t.Errorf("publishes %d and %d have one key", before, i)
		}
		if seen[key] = i; key != retryKey(p.client, []byte(p.id), &m) {
			t.Errorf("publish %d has two keys", i)
		}
	}
}

func BenchmarkRetryKey(b *testing.B) {
	channel, err := pandapush.ParseChannel("/app/private/users/42/notifications")
	if err != nil {
		b.Fatal(err)
	}
	m := pandapush.Message{Channel: channel, Data: bytes.Repeat([]byte{'1'}, 128)}
	b.ReportAllocs()
	for b.Loop() {
		if retryKey("abcdefghijklmnopqrstuvwxyz012345", []byte(`"17"`), &m) == "" {
			b.Fatal("no key")
		}
	}
}

func TestRetriedPublishIsStoredOnce(t *testing.T) {
	a, b, _ := startNodes(t, nil)
	id := a.handshake(t)
	a.subscribe(t, id, "/app/public/a")
	c := a.dial(t)
	c.attach(id)
	publish := func(n *node, data string) {
		t.Helper()
		r := n.say(t, fmt.Sprintf(`{"channel":"/app/public/a","data":%s,"id":"7","clientId":%q,"ext":{"auth":{"key":"key","secret":"secret"}}}`, data, id))[0]
		if !r.ok() {
			t.Errorf("%+v", r)
		}
	}
	publish(a, "1")
	publish(b, "1") // the same again: its acknowledgement was lost
	publish(b, "2") // the same id for something else
	if got := texts(c.deliveries(2)); got != "1 2" {
		t.Errorf("got %s", got)
	}
}
