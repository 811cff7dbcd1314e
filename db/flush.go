package db

import (
	"context"
	"maps"
	"slices"
	"time"
)

const (
	flushTimeout = 10 * time.Second
	lastFlush    = 5 * time.Second // bounds the flush at the end, which outlives Run's context
)

// flushLoop writes use counts every StatsInterval and once when ctx has ended.
func (r *KeyRing) flushLoop(ctx context.Context) {
	down := outage{log: r.cfg.Log, what: "writing use counts"}
	ticker := time.NewTicker(r.cfg.StatsInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			ctx := context.WithoutCancel(ctx)
			down.report(ctx, r.flush(ctx, lastFlush))
			return
		case <-ticker.C:
			err := r.flush(ctx, flushTimeout)
			if ctx.Err() == nil {
				down.report(ctx, err)
			}
		}
	}
}

// flush takes the counts from the counters and writes them, with those that could not be written before. A use is dated to
// the flush that finds it, so LastUsed may be late by StatsInterval. If the answer to a commit is lost, its counts are
// written twice: they are statistics, and losing them would be as wrong.
func (r *KeyRing) flush(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r.collect(now())
	if len(r.pending) == 0 {
		return nil
	}
	if err := r.store.AddUses(ctx, slices.Collect(maps.Values(r.pending))); err != nil {
		return err
	}
	clear(r.pending)
	return nil
}

// collect moves the counts to r.pending. A key that a load has removed meanwhile takes its count with it.
func (r *KeyRing) collect(at time.Time) {
	for ref, e := range r.current.Load().keys {
		if n := e.uses.Swap(0); n > 0 {
			r.pending[ref] = Use{App: ref.app, Key: ref.id, Count: r.pending[ref].Count + n, Last: at}
		}
	}
}
