package db_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/db"
	"github.com/pandapush/pandapush/db/dbtest"
)

var errAway = errors.New("the database is away")

// fakeStore is a Store in memory that can be away and can be slow.
type fakeStore struct {
	mu       sync.Mutex
	keys     map[pandapush.KeyID]pandapush.Key // all of application "app"
	uses     map[pandapush.KeyID]int64
	settings pandapush.Settings
	away     bool
	loads    int           // begun
	gate     chan struct{} // if not nil, each load takes one element before it answers
}

func newFakeStore(ids ...pandapush.KeyID) *fakeStore {
	s := &fakeStore{keys: map[pandapush.KeyID]pandapush.Key{}, uses: map[pandapush.KeyID]int64{}}
	for _, id := range ids {
		s.keys[id] = pandapush.Key{ID: id, App: "app", Secret: "s"}
	}
	return s
}

func (s *fakeStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// read returns what get sees.
func read[T any](s *fakeStore, get func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return get()
}

func (s *fakeStore) AppSettings(ctx context.Context) (map[pandapush.AppID]pandapush.Settings, error) {
	s.mu.Lock()
	s.loads++
	gate, away := s.gate, s.away
	s.mu.Unlock()
	if away {
		return nil, errAway
	}
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return map[pandapush.AppID]pandapush.Settings{"app": read(s, func() pandapush.Settings { return s.settings })}, nil
}

func (s *fakeStore) AllKeys(context.Context) ([]pandapush.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.keys)), nil
}

func (s *fakeStore) AddUses(ctx context.Context, uses []db.Use) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, use := range uses {
		s.uses[use.Key] += use.Count
	}
	return nil
}

// run starts the ring in a synctest bubble and returns a function that stops it.
func run(t *testing.T, ring *db.KeyRing) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		ring.Run(ctx)
		close(done)
	}()
	synctest.Wait()
	return func() {
		cancel()
		<-done
	}
}

func TestReloadRequestsAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore("key")
		store.gate = make(chan struct{})
		ring := db.NewKeyRing(store, db.KeyRingConfig{TTL: time.Hour})
		defer run(t, ring)()
		loads := func() int { return read(store, func() int { return store.loads }) }

		ring.Reload()
		synctest.Wait() // the load has begun and waits at the gate
		for range 100 {
			ring.Reload()
		}
		synctest.Wait()
		if n := loads(); n != 1 {
			t.Fatalf("%d loads while the first runs, want 1", n)
		}
		store.gate <- struct{}{}
		synctest.Wait()
		if n := loads(); n != 2 {
			t.Fatalf("%d loads after the first, want exactly one more", n)
		}
		store.gate <- struct{}{}
		synctest.Wait()
		if n := loads(); n != 2 {
			t.Fatalf("%d loads in the end, want 2", n)
		}
		if _, ok := ring.Key("app", "key"); !ok {
			t.Error("the key was not loaded")
		}
	})
}

func TestReloadIsPeriodic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore("key")
		ring := db.NewKeyRing(store, db.KeyRingConfig{TTL: time.Minute})
		defer run(t, ring)()
		time.Sleep(70 * time.Second) // in the bubble: a TTL and the most that jitter adds
		synctest.Wait()
		if _, ok := ring.Key("app", "key"); !ok || !ring.HasApp("app") {
			t.Error("the key was not loaded")
		}
		store.set(func() { clear(store.keys) })
		time.Sleep(70 * time.Second)
		synctest.Wait()
		if _, ok := ring.Key("app", "key"); ok {
			t.Error("a deleted key is still there")
		}
	})
}

func TestRingServesWhileDatabaseIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out syncBuilder
		store := newFakeStore("key")
		ring := db.NewKeyRing(store, db.KeyRingConfig{
			TTL: time.Minute, StatsInterval: time.Minute, Log: slog.New(slog.NewTextHandler(&out, nil)),
		})
		if err := ring.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer run(t, ring)()

		store.set(func() { store.away = true })
		ring.Used("app", "key")
		time.Sleep(time.Hour)
		if _, ok := ring.Key("app", "key"); !ok {
			t.Error("the ring forgot the key")
		}
		tries := read(store, func() int { return store.loads })
		if tries < 10 || tries > 60*60/10 {
			t.Errorf("%d tries in an hour: want a backoff that ends at about 15 s", tries)
		}
		store.set(func() { store.away = false; store.keys["new"] = pandapush.Key{ID: "new", App: "app"} })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, ok := ring.Key("app", "new"); !ok {
			t.Error("the ring did not come back")
		}
		if n := read(store, func() int64 { return store.uses["key"] }); n != 1 {
			t.Errorf("%d uses written, want 1", n)
		}
		for _, text := range []string{"going on from memory", "works again"} {
			if n := strings.Count(out.String(), text); n != 2 { // of loading and of writing counts
				t.Errorf("%q logged %d times, want 2:\n%s", text, n, out.String())
			}
		}
	})
}

func TestReloadRequestEndsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore("key")
		store.away = true
		ring := db.NewKeyRing(store, db.KeyRingConfig{TTL: time.Minute})
		defer run(t, ring)()
		time.Sleep(time.Hour)
		store.set(func() { store.away = false })
		ring.Reload()
		synctest.Wait()
		if _, ok := ring.Key("app", "key"); !ok {
			t.Error("the key was not loaded at once")
		}
	})
}

func TestUsesAreFlushedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore("key", "idle")
		ring := db.NewKeyRing(store, db.KeyRingConfig{})
		if err := ring.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		stop := run(t, ring)
		for range 3 {
			ring.Used("app", "key")
		}
		ring.Used("other", "key")
		ring.Used("app", "gone")
		stop()
		if want := map[pandapush.KeyID]int64{"key": 3}; !maps.Equal(store.uses, want) {
			t.Errorf("uses %v, want %v", store.uses, want)
		}
	})
}

func TestChangedIsCalledForChangesAlone(t *testing.T) {
	t.Parallel()
	store := newFakeStore("key")
	changes := 0
	ring := db.NewKeyRing(store, db.KeyRingConfig{Changed: func() { changes++ }})
	edit := func(change func(*pandapush.Key)) func() {
		return func() {
			key := store.keys["key"]
			change(&key)
			store.keys["key"] = key
		}
	}
	for _, step := range []struct {
		name   string
		change func()
		want   bool
	}{
		{"first load", func() {}, true},
		{"nothing", func() {}, false},
		{"used", edit(func(k *pandapush.Key) { k.UseCount++; k.LastUsed = time.Now() }), false},
		{"revoked", edit(func(k *pandapush.Key) { k.RevokedAt = time.Now() }), true},
		{"expiry", edit(func(k *pandapush.Key) { k.ExpiresAt = time.Now() }), true},
		{"secret", edit(func(k *pandapush.Key) { k.Secret = "t" }), true},
		{"secret before", edit(func(k *pandapush.Key) { k.PreviousSecret = "s" }), true},
		{"its end", edit(func(k *pandapush.Key) { k.PreviousUntil = time.Now() }), true},
		{"settings", func() { store.settings.Origins = []string{"https://a.b"} }, true},
		{"replaced", func() { clear(store.keys); store.keys["k2"] = pandapush.Key{ID: "k2", App: "app"} }, true},
		{"deleted", func() { clear(store.keys) }, true},
		{"failed", func() { store.away = true }, false},
	} {
		before := changes
		step.change()
		if err := ring.Load(t.Context()); err != nil && !store.away {
			t.Fatal(err)
		}
		if got := changes > before; got != step.want {
			t.Errorf("%s: changed %v, want %v", step.name, got, step.want)
		}
	}
	if got := ring.Settings("app"); !got.Equal(store.settings) || !ring.Settings("other").Equal(pandapush.Settings{}) {
		t.Errorf("Settings() = %+v", got)
	}
}

func TestNoUseIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ids := []pandapush.KeyID{"a", "b", "c"}
		store, want := newFakeStore(ids...), map[pandapush.KeyID]int64{}
		synctest.Test(t, func(t *testing.T) {
			ring := db.NewKeyRing(store, db.KeyRingConfig{TTL: 7 * time.Second, StatsInterval: 5 * time.Second})
			if err := ring.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			stop := run(t, ring)
			for range rapid.IntRange(0, 30).Draw(rt, "steps") {
				switch rapid.IntRange(0, 3).Draw(rt, "step") {
				case 0:
					id := rapid.SampledFrom(ids).Draw(rt, "key")
					ring.Used("app", id)
					want[id]++
				case 1:
					time.Sleep(time.Duration(rapid.IntRange(0, 20).Draw(rt, "seconds")) * time.Second)
				case 2:
					store.set(func() { store.away = !store.away })
				case 3:
					ring.Reload()
				}
			}
			store.set(func() { store.away = false })
			stop()
		})
		if !maps.Equal(store.uses, want) {
			rt.Fatalf("uses %v, want %v", store.uses, want)
		}
	})
}

func TestRingUnderConcurrentUse(t *testing.T) {
	t.Parallel()
	store := newFakeStore("key")
	ring := db.NewKeyRing(store, db.KeyRingConfig{TTL: time.Millisecond, StatsInterval: time.Millisecond})
	if err := ring.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running, users sync.WaitGroup
	running.Go(func() { ring.Run(ctx) })
	const goroutines, each = 4, 2000
	for range goroutines {
		users.Go(func() {
			for range each {
				ring.Used("app", "key")
				ring.Reload()
				if _, ok := ring.Key("app", "key"); !ok {
					t.Error("no key")
					return
				}
			}
		})
	}
	users.Wait()
	cancel()
	running.Wait()
	if got := store.uses["key"]; got != goroutines*each {
		t.Errorf("%d uses, want %d", got, goroutines*each)
	}
}

func TestRingOverRealDatabases(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) *db.DB{"sqlite": dbtest.NewSQLite, "postgres": dbtest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			if err := d.EnsureDev(t.Context(), "app", "key", "secret"); err != nil {
				t.Fatal(err)
			}
			reg := prometheus.NewRegistry()
			ring := db.NewKeyRing(d, db.KeyRingConfig{Metrics: reg})
			if err := ring.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { ring.Run(ctx) })
			ring.Used("app", "key")
			cancel()
			running.Wait()
			key, err := d.Key(t.Context(), "app", "key")
			if err != nil || key.UseCount != 1 || time.Since(key.LastUsed) > time.Minute {
				t.Errorf("Key() = %+v, %v", key, err)
			}
			if err := testutil.GatherAndCompare(reg, strings.NewReader(`
				# HELP pandapush_keyring_keys Keys in memory, expired and revoked ones included.
				# TYPE pandapush_keyring_keys gauge
				pandapush_keyring_keys 1
			`), "pandapush_keyring_keys"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLookUpsDoNotAllocate(t *testing.T) {
	ring := loadedRing(t)
	n := testing.AllocsPerRun(1000, func() {
		ring.HasApp("app")
		ring.Key("app", "key")
		ring.Used("app", "key")
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkKey(b *testing.B) {
	ring := loadedRing(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ring.Key("app", "key")
		}
	})
}

func BenchmarkUsed(b *testing.B) {
	ring := loadedRing(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ring.Used("app", "key")
		}
	})
}

func loadedRing(tb testing.TB) *db.KeyRing {
	tb.Helper()
	ring := db.NewKeyRing(newFakeStore("key"), db.KeyRingConfig{})
	if err := ring.Load(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return ring
}

// syncBuilder is a strings.Builder that two goroutines may log to.
type syncBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuilder) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuilder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
