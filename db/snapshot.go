package db

import (
	"sync/atomic"

	"github.com/pandapush/pandapush"
)

// keyRef names a key. The application comes first: a key works for its own application alone.
type keyRef struct {
	app pandapush.AppID
	id  pandapush.KeyID
}

// snapshot is what a KeyRing knows at one moment. It never changes but for the counters.
type snapshot struct {
	apps map[pandapush.AppID]pandapush.Settings
	keys map[keyRef]*entry
}

// entry is a key and the counter of its uses, which one snapshot hands on to the next.
type entry struct {
	key  pandapush.Key
	uses *atomic.Int64 // since the last flush
}

// newSnapshot builds the snapshot that follows old.
func newSnapshot(old *snapshot, apps map[pandapush.AppID]pandapush.Settings, keys []pandapush.Key) *snapshot {
	s := &snapshot{
		apps: apps,
		keys: make(map[keyRef]*entry, len(keys)),
	}
	for _, key := range keys {
		ref := keyRef{key.App, key.ID}
		e := &entry{key: key}
		if before := old.keys[ref]; before != nil {
			e.uses = before.uses
		} else {
			e.uses = new(atomic.Int64)
		}
		s.keys[ref] = e
	}
	return s
}

// same reports whether both snapshots decide alike about every credential.
func (s *snapshot) same(other *snapshot) bool {
	if len(s.apps) != len(other.apps) || len(s.keys) != len(other.keys) {
		return false
	}
	for app, settings := range s.apps {
		if theirs, ok := other.apps[app]; !ok || !theirs.Equal(settings) {
			return false
		}
	}
	for ref, e := range s.keys {
		o := other.keys[ref]
		if o == nil || e.key.Secret != o.key.Secret || e.key.PreviousSecret != o.key.PreviousSecret ||
			!e.key.PreviousUntil.Equal(o.key.PreviousUntil) ||
			!e.key.ExpiresAt.Equal(o.key.ExpiresAt) || !e.key.RevokedAt.Equal(o.key.RevokedAt) {
			return false
		}
	}
	return true
}

// newlyUnreadable returns the ids of keys whose expiry cannot be read, but for those of which old knew that.
func (s *snapshot) newlyUnreadable(old *snapshot) []pandapush.KeyID {
	var ids []pandapush.KeyID
	for ref, e := range s.keys {
		before := old.keys[ref]
		if e.key.ExpiresAt.Equal(unreadable) && (before == nil || !before.key.ExpiresAt.Equal(unreadable)) {
			ids = append(ids, ref.id)
		}
	}
	return ids
}
