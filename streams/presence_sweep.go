package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	leaseSweepEvery = time.Second
	leaseSweepLock  = 900 * time.Millisecond // a node that got it leaves the others out of this round
	leaseSweepBatch = 256                    // seats removed before the next bucket has its turn

	// leaseGrace is for how long no seat is removed after Redis was away: nobody could renew one meanwhile, and now all do.
	leaseGrace = 5 * time.Second
)

// sweepLeases removes the seats whose leases have run out, until ctx ends: those of nodes that were killed and of clients that
// have not come back. Whichever node comes first does it for all.
func (s *Streams) sweepLeases(ctx context.Context) {
	ticker := time.NewTicker(leaseSweepEvery)
	defer ticker.Stop()
	failed := make(map[*backend]time.Time) // when each was away last
	for {
		select {
		case now := <-ticker.C:
			for _, b := range s.backends {
				err := s.sweepLeasesOf(ctx, b, now.Sub(failed[b]) >= leaseGrace)
				if err == nil || ctx.Err() != nil {
					continue
				}
				if now.Sub(failed[b]) >= leaseGrace { // not one line a second
					s.log.Warn("streams: giving up seats whose time has run out", "error", err)
				}
				failed[b] = now
			}
		case <-ctx.Done():
			return
		}
	}
}

// sweepLeasesOf sweeps a backend if no other node has done so just now. Without expire it only sees whether it is there.
func (s *Streams) sweepLeasesOf(ctx context.Context, b *backend, expire bool) error {
	got, err := b.cmd.SetArgs(ctx, s.keys.leaseSweep(b.first), s.cfg.Node, redis.SetArgs{Mode: "NX", TTL: leaseSweepLock}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return unavailable(err)
	}
	if got != "OK" || !expire {
		return nil
	}
	return s.expireLeases(ctx, b)
}

// expireLeases asks each bucket of a backend for what has run out, all of them in one round, and gives that up. It costs
// the 64 questions and one script for each seat that is given up.
func (s *Streams) expireLeases(ctx context.Context, b *backend) error {
	var questions []redis.Cmder
	for bucket, other := range s.of {
		if other == b {
			questions = append(questions, presenceDueScript.call(ctx, []string{s.keys.leases(bucket)}, leaseSweepBatch))
		}
	}
	if _, err := b.calls.doAll(ctx, questions); err != nil {
		return fmt.Errorf("ask for leases: %w", err)
	}
	var leaves []redis.Cmder
	for _, q := range questions {
		due, err := q.(*script).StringSlice() //nolint:errcheck // they were made above
		if err != nil {
			return fmt.Errorf("ask for leases: %w", unavailable(err))
		}
		for _, text := range due {
			if seat, err := parseLease(text); err == nil { // else this program did not write it
				leaves = append(leaves, s.leaveCall(ctx, seat, true))
			}
		}
	}
	if _, err := b.calls.doAll(ctx, leaves); err != nil {
		return fmt.Errorf("give up seats: %w", err)
	}
	for _, leave := range leaves {
		left, err := leave.(*script).Int64() //nolint:errcheck // they were made above
		if err != nil {
			return fmt.Errorf("give up seats: %w", unavailable(err))
		}
		s.metrics.seats.WithLabelValues(seatExpired).Add(float64(left))
	}
	return nil
}
