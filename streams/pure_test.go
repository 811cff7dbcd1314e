package streams

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
)

// TestBucketsStay pins where applications live: a change would lose their streams.
func TestBucketsStay(t *testing.T) {
	t.Parallel()
	for app, want := range map[pandapush.AppID]string{
		"devapp": "pp:{31}:devapp:log", "shop": "pp:{41}:shop:log", "A1": "pp:{7}:A1:log",
	} {
		if got := keys("pp").log(app); got != want {
			t.Errorf("log of %s is %s, want %s", app, got, want)
		}
	}
}

func TestKeyNames(t *testing.T) {
	t.Parallel()
	k := keys("pp")
	want := appKeys{log: "pp:{41}:shop:log", epoch: "pp:{41}:shop:epoch", apps: "pp:{41}:apps", mark: "pp:{41}:shop:mark"}
	if got := k.app("shop"); got != want {
		t.Errorf("keys of shop are %+v, want %+v", got, want)
	}
	for _, bad := range []struct{ prefix, node string }{{"a{b", "n"}, {"pp", ""}, {"pp", "a-b"}, {"p:p", "n"}} {
		if keys(bad.prefix).check(bad.node) == nil {
			t.Errorf("prefix %q with node %q is taken", bad.prefix, bad.node)
		}
	}
}

func TestRendezvous(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,5}:[0-9]{4}`), 2, 6, rapid.ID).Draw(t, "names")
		shuffled := rapid.Permutation(names).Draw(t, "shuffled")
		gone := rapid.IntRange(0, len(names)-1).Draw(t, "gone")
		fewer := slices.Delete(slices.Clone(names), gone, gone+1)
		for bucket := range buckets {
			owner := names[rendezvous(names, bucket)]
			if other := shuffled[rendezvous(shuffled, bucket)]; other != owner {
				t.Fatalf("bucket %d is on %s, or on %s in another order", bucket, owner, other)
			}
			if now := fewer[rendezvous(fewer, bucket)]; owner != names[gone] && now != owner {
				t.Fatalf("bucket %d moved from %s to %s when %s was removed", bucket, owner, now, names[gone])
			}
		}
	})
}

func TestTopologyCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		topology Topology
		problem  string
	}{
		"nothing":                     {Topology{}, "no Redis"},
		"servers and Cluster":         {Topology{Hosts: []string{"a:1"}, Cluster: []string{"b:1"}}, "exclude"},
		"Sentinel without master":     {Topology{Sentinel: Sentinel{Addrs: []string{"a:1"}}}, "master's name"},
		"master without Sentinels":    {Topology{Hosts: []string{"a:1"}, Sentinel: Sentinel{Master: "m"}}, "addresses"},
		"a server twice":              {Topology{Hosts: []string{"a:1"}, URLs: []string{"redis://:pw@a:1"}}, "a:1 is given twice"},
		"a server twice, by old name": {Topology{Hosts: []string{"a:1"}, URLs: []string{"tcp://a:1"}}, "a:1 is given twice"},
		"not a URL":                   {Topology{URLs: []string{"http://u:hunter2@a:1"}}, "URL 1 of 1"},
	} {
		_, _, err := c.topology.open(func(*backend) {})
		if err == nil || !strings.Contains(err.Error(), c.problem) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one with %q", name, err, c.problem)
		}
	}
	if s := (Topology{URLs: []string{"redis://u:hunter2@a:1"}, Password: "hunter2"}).String(); strings.Contains(s, "hunter2") {
		t.Errorf("a topology shows its password: %s", s)
	}
}

func TestGoOn(t *testing.T) {
	t.Parallel()
	at := func(epoch string, millis uint64) pandapush.Cursor {
		return pandapush.Cursor{Epoch: pandapush.Epoch(epoch), Position: pandapush.Position{Millis: millis}}
	}
	stands := func(epoch string, last uint64) standing {
		return standing{epoch: pandapush.Epoch(epoch), last: pandapush.Position{Millis: last}}
	}
	for name, c := range map[string]struct {
		from   pandapush.Cursor
		stream standing
		to     pandapush.Cursor
		lost   bool
	}{
		"never read":                       {pandapush.Cursor{}, stands("e", 7), at("e", 7), false},
		"nothing new":                      {at("e", 7), stands("e", 7), at("e", 7), false},
		"more to read":                     {at("e", 7), stands("e", 9), at("e", 7), false},
		"another stream":                   {at("e", 7), stands("f", 9), at("f", 0), true},
		"empty, and never anything in it":  {at("e", 0), stands("e", 0), at("e", 0), false},
		"another stream, still without id": {at("e", 7), stands("f", 0), at("f", 0), true},
	} {
		if to, lost := goOn(c.from, c.stream); to != c.to || lost != c.lost {
			t.Errorf("%s: goes on at %v, lost %t; want %v, %t", name, to, lost, c.to, c.lost)
		}
	}
}

func TestDecodeEntry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		id     string
		values map[string]any
		ok     bool
	}{
		"a message":             {"5-1", map[string]any{"c": "/shop/public/x", "d": "{}"}, true},
		"with a later field":    {"5-1", map[string]any{"c": "/shop/public/x", "d": "{}", "k": "1"}, true},
		"another application's": {"5-1", map[string]any{"c": "/other/public/x", "d": "{}"}, false},
		"a pattern":             {"5-1", map[string]any{"c": "/shop/public/*", "d": "{}"}, false},
		"no data":               {"5-1", map[string]any{"c": "/shop/public/x"}, false},
		"empty data":            {"5-1", map[string]any{"c": "/shop/public/x", "d": ""}, false},
		"no channel":            {"5-1", map[string]any{"d": "{}"}, false},
		"not strings":           {"5-1", map[string]any{"c": 1, "d": 2}, false},
		"bad id":                {"5", map[string]any{"c": "/shop/public/x", "d": "{}"}, false},
	} {
		m, err := decodeEntry("shop", redis.XMessage{ID: c.id, Values: c.values})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add("5-1", "c", "/shop/public/x", "d", "{}")
	f.Add("18446744073709551615-18446744073709551615", "d", "1", "c", "/shop/meta/a/b")
	f.Add("-", "", "", "", "")
	f.Fuzz(func(t *testing.T, id, key1, value1, key2, value2 string) {
		e := redis.XMessage{ID: id, Values: map[string]any{key1: value1, key2: value2}}
		m, err := decodeEntry("shop", e)
		if err != nil {
			return
		}
		if m.Channel.App() != "shop" || m.Channel.String() != e.Values["c"] || string(m.Data) != e.Values["d"] || m.Cursor.Position.String() != id {
			t.Errorf("entry %v became %v", e, m)
		}
	})
}

func FuzzDecodeNotice(f *testing.F) {
	f.Add("keys", "shop", "k1")
	f.Add("keys", "", "")
	f.Add("", "-", "x")
	f.Fuzz(func(t *testing.T, kind, app, key string) {
		n, err := decodeNotice(redis.XMessage{ID: "1-1", Values: map[string]any{"kind": kind, "app": app, "key": key}})
		valid := kind != "" && (app == "" || pandapush.AppID(app).Valid())
		if (err == nil) != valid {
			t.Fatalf("notice %q %q %q: %v", kind, app, key, err)
		}
		if want := (Notice{kind, pandapush.AppID(app), pandapush.KeyID(key)}); valid && n != want {
			t.Errorf("notice %v, want %v", n, want)
		}
	})
}

func TestPauseAfter(t *testing.T) {
	for _, c := range []struct {
		name    string
		streams int
		behind  bool
		waited  time.Duration
		want    time.Duration
	}{
		{"an entry now and then", 2, false, 20 * time.Millisecond, 0},
		{"one after the other", 2, false, time.Millisecond - 1, shortPause},
		{"more are there already", 2, true, 0, 0},
		{"many streams", fewFeeds + 1, false, time.Second, pause},
		{"many streams, and more are there already", fewFeeds + 1, true, 0, 0},
	} {
		if got := pauseAfter(c.streams, c.behind, c.waited); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// An append that has its outcome is told that, even if its caller leaves or the workers stop at the same moment.
func TestOutcomeOfAppendWins(t *testing.T) {
	t.Parallel()
	a := &appender{stopped: make(chan struct{})}
	close(a.stopped)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want := pandapush.Cursor{Position: pandapush.Position{Millis: 1}}
	for range 100 {
		p := &pendingAppend{done: make(chan struct{}, 1), cursor: want}
		a.finish([]*pendingAppend{p})
		if err := a.await(ctx, p); err != nil || p.cursor != want {
			t.Fatalf("got %v, %v", p.cursor, err)
		}
	}
	if err := a.await(t.Context(), &pendingAppend{done: make(chan struct{}, 1)}); !errors.Is(err, pandapush.ErrUnavailable) {
		t.Errorf("without one: %v", err)
	}
}
