package streams

import (
	"context"
	"fmt"
	"time"

	"github.com/pandapush/pandapush"
)

// maxOnceKey bounds the key of AppendOnce, in bytes.
const maxOnceKey = 256

// AppendOnce is Append for a message that may come again: one that comes under a key under which a message of the same
// application was appended less than window ago is not appended. It returns where the message of that key stands, and
// whether it was there already. The key has 1 to 256 bytes; what of a request it tells apart is the caller's business.
//
// It does not need Run. It costs Redis some five times an Append. The error wraps pandapush.ErrUnavailable, or is ctx's;
// then the message may have been stored, and whoever repeats the call with the same key finds out.
func (s *Streams) AppendOnce(
	ctx context.Context, m pandapush.Message, key string, window time.Duration,
) (cursor pandapush.Cursor, repeated bool, err error) {
	if key == "" || len(key) > maxOnceKey {
		return cursor, false, fmt.Errorf("append once: a key of %d bytes", len(key))
	}
	app, start := m.Channel.App(), time.Now()
	k := s.keys.app(app)
	cmd := onceScript.call(ctx, append(k.all(), s.keys.once(app, key)),
		string(pandapush.NewEpoch(app)), string(app), s.cfg.MaxLen, m.Channel.String(), m.Data, millis(window))
	if err = s.of[bucketOf(app)].calls.do(ctx, cmd); err == nil {
		cursor, repeated, err = appended(app, cmd)
	}
	switch {
	case err != nil:
		s.metrics.appendErrors.Inc()
		return pandapush.Cursor{}, false, fmt.Errorf("append once: %w", err)
	case repeated:
		s.metrics.repeats.Inc()
	default:
		s.metrics.appends.Inc()
		s.metrics.appendTime.Observe(time.Since(start).Seconds())
	}
	return cursor, repeated, nil
}

func appended(app pandapush.AppID, cmd *script) (cursor pandapush.Cursor, repeated bool, err error) {
	reply, err := cmd.Slice()
	if err != nil {
		return cursor, false, unavailable(err)
	}
	if len(reply) != 2 {
		return cursor, false, fmt.Errorf("once.lua returned %d values", len(reply))
	}
	text, _ := reply[0].(string)
	if cursor, err = pandapush.ParseCursor(app, text); err != nil {
		return cursor, false, fmt.Errorf("cursor of the entry: %w", err)
	}
	return cursor, reply[1] == int64(1), nil
}
