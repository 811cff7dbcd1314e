package streams

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams/internal/redisserver"
)

// eachRedis runs a test on a real server and on the in-process one: the scripts must work on both.
func eachRedis(t *testing.T, test func(t *testing.T, client *redis.Client)) {
	t.Helper()
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		path, ok := redisserver.Find()
		if !ok {
			t.Fatal("no redis-server is installed: scripts/test installs it")
		}
		dir, err := os.MkdirTemp("", "pp") //nolint:usetesting // t.TempDir's paths are too long for sockets
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		server, err := redisserver.Start(t.Context(), redisserver.Options{Path: path, Dir: dir, Socket: filepath.Join(dir, "s")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Kill)
		withClient(t, &redis.Options{Network: "unix", Addr: filepath.Join(dir, "s")}, test)
	})
	t.Run("in-process", func(t *testing.T) {
		t.Parallel()
		withClient(t, &redis.Options{Addr: miniredis.RunT(t).Addr()}, test)
	})
}

func withClient(t *testing.T, o *redis.Options, test func(t *testing.T, client *redis.Client)) {
	t.Helper()
	client := redis.NewClient(o)
	t.Cleanup(func() { _ = client.Close() })
	test(t, client)
}

func position(millis uint64) pandapush.Position { return pandapush.Position{Millis: millis} }

// ask runs activate.lua for the application "shop".
func ask(t *testing.T, client *redis.Client, at pandapush.Position) standing {
	t.Helper()
	pipe := client.Pipeline()
	asked := activate(t.Context(), pipe, keys("pp").app("shop"), "shop", at)
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := asked.result()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// add adds entries with the given ids to the stream of "shop".
func add(t *testing.T, client *redis.Client, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: keys("pp").log("shop"), ID: id, Values: []string{"c", "x", "d", "1"}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestActivateScript(t *testing.T) {
	t.Parallel()
	eachRedis(t, func(t *testing.T, client *redis.Client) {
		t.Helper()
		ctx, k := t.Context(), keys("pp").app("shop")
		first := ask(t, client, pandapush.Position{})
		if !first.epoch.Of("shop") || first.last != position(0) || first.before != position(0) {
			t.Errorf("a new stream stands at %+v", first)
		}
		if apps := client.SMembers(ctx, k.apps).Val(); len(apps) != 1 || apps[0] != "shop" {
			t.Errorf("applications with a stream: %v", apps)
		}
		if again := ask(t, client, pandapush.Position{}); again != first {
			t.Errorf("asked again: %+v, want %+v", again, first)
		}

		add(t, client, "5-0", "7-0", "9-0")
		for at, before := range map[uint64]uint64{5: 0, 9: 0, 3: 0, 8: 7, 12: 9} {
			if s := ask(t, client, position(at)); s.last != position(9) || s.before != position(before) || s.epoch != first.epoch {
				t.Errorf("asked for %d: %+v, want last 9 and before %d", at, s, before)
			}
		}
		client.XTrimMaxLen(ctx, k.log, 0)
		if s := ask(t, client, position(7)); s.last != position(9) || s.before != position(0) {
			t.Errorf("trimmed to nothing: %+v", s)
		}
		client.Del(ctx, k.log)
		if s := ask(t, client, position(7)); s.epoch == first.epoch || s.last != position(0) {
			t.Errorf("deleted: %+v has the epoch of the lost stream", s)
		}
		add(t, client, "5-0")
		client.Del(ctx, k.epoch)
		if s := ask(t, client, position(5)); !s.epoch.Of("shop") || s.epoch == first.epoch || s.last != position(5) {
			t.Errorf("without an epoch: %+v", s)
		}
	})
}

func TestCreateScript(t *testing.T) {
	t.Parallel()
	eachRedis(t, func(t *testing.T, client *redis.Client) {
		t.Helper()
		ctx, k := t.Context(), keys("pp").app("shop")
		channel, err := pandapush.ParseChannel("/shop/public/x")
		if err != nil {
			t.Fatal(err)
		}
		run := func() pandapush.Cursor {
			pipe := client.Pipeline()
			cmd := create(ctx, pipe, k, pandapush.Message{Channel: channel, Data: []byte(`"hello"`)}, 100)
			if _, err := pipe.Exec(ctx); err != nil {
				t.Fatal(err)
			}
			c, err := createdCursor(cmd)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		first, second := run(), run()
		if !first.Epoch.Of("shop") || second.Epoch != first.Epoch || second.Position.Compare(first.Position) <= 0 {
			t.Errorf("created at %v and %v", first, second)
		}
		entries := client.XRange(ctx, k.log, "-", "+").Val()
		if len(entries) != 2 || entries[0].ID != first.Position.String() || entries[0].Values["c"] != "/shop/public/x" || entries[0].Values["d"] != `"hello"` {
			t.Errorf("entries %v", entries)
		}
		if s := ask(t, client, second.Position); s.epoch != first.Epoch || s.last != second.Position {
			t.Errorf("activate says %+v", s)
		}
		client.Del(ctx, k.log)
		if third := run(); third.Epoch == first.Epoch {
			t.Error("a stream made after another was lost has its epoch")
		}
	})
}
