package streams

import (
	"context"
	"fmt"
	"time"
)

// Share leaves what this node has to tell the others for as long as ttl, by Redis' clock, and returns what all of them have
// left, this one included. The error wraps pandapush.ErrUnavailable or is ctx's.
func (s *Streams) Share(ctx context.Context, share []byte, ttl time.Duration) (map[string][]byte, error) {
	return s.askShares(ctx, shareScript.call(ctx, s.shareKeys(), s.cfg.Node, share, millis(ttl)))
}

// Shares is Share for somebody who is no node: it leaves nothing.
func (s *Streams) Shares(ctx context.Context) (map[string][]byte, error) {
	return s.askShares(ctx, sharesScript.call(ctx, s.shareKeys()))
}

func (s *Streams) shareKeys() []string { return []string{s.keys.shares(), s.keys.shareLeases()} }

func (s *Streams) askShares(ctx context.Context, cmd *script) (map[string][]byte, error) {
	if err := s.of[0].calls.do(ctx, cmd); err != nil {
		return nil, fmt.Errorf("share: %w", err)
	}
	reply, err := cmd.StringSlice()
	if err != nil {
		return nil, fmt.Errorf("share: %w", unavailable(err))
	}
	all := make(map[string][]byte, len(reply)/2)
	for i := 0; i+1 < len(reply); i += 2 {
		all[reply[i]] = []byte(reply[i+1])
	}
	return all, nil
}
