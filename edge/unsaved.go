package edge

import (
	"context"
	"errors"
	"maps"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pandapush/pandapush"
)

// unsaved are the records of sessions that were detached here while Redis was away: they say what their clients have got, and
// those in Redis may be as old as the connection was. They are written when Redis is back, and until then known to whoever
// attaches the session. Since nobody attaches anything without Redis, there are no more of them than sessions were attached.
type unsaved struct {
	mu  sync.Mutex
	all map[string]pandapush.Session
}

// keep keeps a record, in place of an older one.
func (u *unsaved) keep(id string, record pandapush.Session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.all == nil {
		u.all = map[string]pandapush.Session{}
	}
	if record.Fence >= u.all[id].Fence {
		u.all[id] = record
	}
}

// get returns the record of a session, or nil.
func (u *unsaved) get(id string) *pandapush.Session {
	u.mu.Lock()
	defer u.mu.Unlock()
	if record, ok := u.all[id]; ok {
		return &record
	}
	return nil
}

// forget forgets a record of that fence.
func (u *unsaved) forget(id string, fence int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if record, ok := u.all[id]; ok && record.Fence == fence {
		delete(u.all, id)
	}
}

func (u *unsaved) list() map[string]pandapush.Session {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.all)
}

// writeUnsaved tries to write the records that could not be written when their sessions were detached, until Redis fails it.
// Those of sessions that have ended, or are another node's by now, are forgotten.
func (e *Server) writeUnsaved(ctx context.Context) {
	writers, ctx := errgroup.WithContext(ctx)
	writers.SetLimit(recordWriters)
	for id, record := range e.unsaved.list() {
		writers.Go(func() error {
			err := e.cfg.Records.SaveSession(ctx, id, record, e.ttl())
			if err == nil || errors.Is(err, pandapush.ErrNotOwner) || errors.Is(err, pandapush.ErrNotFound) {
				e.unsaved.forget(id, record.Fence)
				return nil
			}
			return err // and with it ctx ends, so that the others do not wait for Redis as well
		})
	}
	if err := writers.Wait(); err != nil {
		e.cfg.Log.Debug("sessions still not saved", "error", err)
	}
}
