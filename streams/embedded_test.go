package streams_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

func startEmbedded(t *testing.T, dir string) *streams.Embedded {
	t.Helper()
	e, err := streams.StartEmbedded(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(e.URL(), "unix://") {
		t.Fatal("no redis-server is installed: scripts/test installs it")
	}
	return e
}

func closeEmbedded(t *testing.T, e *streams.Embedded) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestEmbeddedKeepsStreams(t *testing.T) {
	t.Parallel()
	// Longer than the path of a socket may be.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	e := startEmbedded(t, dir)
	a := streamstest.Open(t, streams.Config{Redis: streams.Topology{URLs: []string{e.URL()}}, Node: "a"})
	want := a.Send("/shop/public/x", `1`)
	a.Stop()
	closeEmbedded(t, e)

	e = startEmbedded(t, dir)
	t.Cleanup(func() { closeEmbedded(t, e) })
	b := streamstest.Open(t, streams.Config{Redis: streams.Topology{URLs: []string{e.URL()}}, Node: "b"})
	if got := b.MustJoin("shop"); got != want {
		t.Errorf("after a restart the stream ends at %v, want %v", got, want)
	}
}

func TestEmbeddedTellsItsURL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := startEmbedded(t, dir)
	file := filepath.Join(dir, streams.EmbeddedURLFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(text)); got != e.URL() {
		t.Errorf("the file says %s, want %s", got, e.URL())
	}
	for path, want := range map[string]os.FileMode{file: 0o600, dir: 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
	closeEmbedded(t, e)
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there after Close: %v", err)
	}
}

func TestEmbeddedTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := startEmbedded(t, dir)
	t.Cleanup(func() { closeEmbedded(t, e) })
	if _, err := streams.StartEmbedded(t.Context(), dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second one on the same directory: error %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, streams.EmbeddedURLFile)); err != nil {
		t.Errorf("the second one took the first one's file: %v", err)
	}
}

// TestEmbeddedHeals kills the child: it is started again with what it had.
func TestEmbeddedHeals(t *testing.T) {
	t.Parallel()
	e := startEmbedded(t, t.TempDir())
	t.Cleanup(func() { closeEmbedded(t, e) })
	a := streamstest.Open(t, streams.Config{Redis: streams.Topology{URLs: []string{e.URL()}}, Node: "a"})
	a.MustJoin("shop")
	before := a.Send("/shop/public/x", `1`)
	if err := syscall.Kill(redisPID(t, e.URL()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	after := sendWhenBack(t, a, "/shop/public/x")
	if after.Epoch != before.Epoch {
		t.Errorf("the stream was lost: %v, then %v", before, after)
	}
	var got []pandapush.Cursor
	for _, m := range a.Await("shop", after) {
		got = append(got, m.Cursor)
	}
	if len(got) < 2 || got[0] != before {
		t.Errorf("delivered %v", got)
	}
}

func TestEmbeddedBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := streams.StartEmbeddedWith(t.Context(), dir, "/bin/false", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "redis.log") {
		t.Errorf("error %v, want one that names the log", err)
	}
	closeEmbedded(t, startEmbedded(t, dir)) // the lock is free again
}

func redisPID(t *testing.T, url string) int {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	defer func() { _ = client.Close() }()
	info, err := client.InfoMap(t.Context(), "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(info["Server"]["process_id"])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
