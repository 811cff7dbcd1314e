package streamstest

import (
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

var shareStories = []story{
	{"nodes see each other's shares until their time is over", shares},
	{"what a node appends is counted", usage},
}

func shares(t *testing.T, a, b *Node) {
	t.Helper()
	look := func(n *Node, text string, ttl time.Duration) map[string][]byte {
		all, err := n.Share(t.Context(), []byte(text), ttl)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := look(a, "one", time.Hour); len(all) != 1 || string(all["a"]) != "one" {
		t.Errorf("the first sees %q", all)
	}
	look(a, "two", time.Hour)
	for range 2 { // to look leaves nothing
		if all, err := b.Shares(t.Context()); err != nil || len(all) != 1 || string(all["a"]) != "two" {
			t.Errorf("who is no node sees %q, %v", all, err)
		}
	}
	if all := look(b, "three\x00", time.Millisecond); len(all) != 2 || string(all["a"]) != "two" || string(all["b"]) != "three\x00" {
		t.Errorf("the second sees %q", all)
	}
	for len(look(a, "four", time.Hour)) != 1 { // until a millisecond has passed for Redis
		if t.Context().Err() != nil {
			t.Fatal("a share never ends")
		}
	}
}

func usage(t *testing.T, a, b *Node) {
	t.Helper()
	a.Send("/shop/public/x", `"12345"`)
	batch := []pandapush.Message{Message(t, "/shop/public/x", `1`), Message(t, "/shop/public/y", `23`)}
	if _, err := a.AppendAll(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second is a repetition
		if _, _, err := a.AppendOnce(t.Context(), Message(t, "/other/public/x", `123`), "key", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	want := map[pandapush.AppID]pandapush.Usage{"shop": {Published: 3, BytesIn: 10}, "other": {Published: 1, BytesIn: 3}}
	got := a.Usage()
	if len(got) != len(want) || got["shop"] != want["shop"] || got["other"] != want["other"] {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if got := b.Usage(); len(got) != 0 {
		t.Errorf("another node counts %+v", got)
	}
}
