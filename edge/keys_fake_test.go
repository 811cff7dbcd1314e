package edge

import (
	"sync"
	"testing"

	"github.com/pandapush/pandapush"
)

// memoryKeys are Keys in a map.
type memoryKeys struct {
	mu   sync.Mutex
	keys map[pandapush.AppID]map[pandapush.KeyID]pandapush.Key
	used map[pandapush.KeyID]int

	settings map[pandapush.AppID]pandapush.Settings
}

func newMemoryKeys(tb testing.TB, keys ...pandapush.Key) *memoryKeys {
	tb.Helper()
	k := &memoryKeys{keys: map[pandapush.AppID]map[pandapush.KeyID]pandapush.Key{}, used: map[pandapush.KeyID]int{}, settings: map[pandapush.AppID]pandapush.Settings{}}
	for _, key := range keys {
		k.put(key)
	}
	return k
}

func (k *memoryKeys) put(key pandapush.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[key.App] == nil {
		k.keys[key.App] = map[pandapush.KeyID]pandapush.Key{}
	}
	k.keys[key.App][key.ID] = key
}

func (k *memoryKeys) HasApp(app pandapush.AppID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys[app] != nil
}

func (k *memoryKeys) Key(app pandapush.AppID, id pandapush.KeyID) (pandapush.Key, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.keys[app][id]
	return key, ok
}

func (k *memoryKeys) Settings(app pandapush.AppID) pandapush.Settings {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.settings[app]
}

func (k *memoryKeys) set(app pandapush.AppID, s pandapush.Settings) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.settings[app] = s
}

func (k *memoryKeys) Used(_ pandapush.AppID, id pandapush.KeyID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.used[id]++
}
