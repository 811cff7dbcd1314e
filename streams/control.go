package streams

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// NoticeKeys says that an application or its keys changed; without an App, that any may have. A node also gets the latter when
// it begins to follow the control stream, and when that was lost, and notices with it.
const NoticeKeys = "keys"

// controlLength is about how many notices are kept: far more than are sent in an outage that a node survives.
const controlLength = 1000

// Notice is news from one node to all, itself included. Nodes ignore kinds that they don't know.
type Notice struct {
	Kind string
	App  pandapush.AppID // empty if it is not about one
	Key  pandapush.KeyID // empty if it is not about one
}

// Notify sends n to every node; those that run get it within a second. It does not need Run. The error wraps
// pandapush.ErrUnavailable.
func (s *Streams) Notify(ctx context.Context, n Notice) error {
	err := s.of[0].cmd.XAdd(ctx, &redis.XAddArgs{
		Stream: s.keys.control().log, MaxLen: controlLength, Approx: true,
		Values: []any{"kind", n.Kind, "app", string(n.App), "key", string(n.Key)},
	}).Err()
	if err != nil {
		return fmt.Errorf("send notice: %w", unavailable(err))
	}
	return nil
}

// controlSink passes notices on.
type controlSink struct {
	notice func(Notice)
	log    *slog.Logger
}

func (c controlSink) entries(_ pandapush.Epoch, entries []redis.XMessage) {
	for _, e := range entries {
		n, err := decodeNotice(e)
		if err != nil {
			c.log.Warn("streams: skipped an entry of the control stream", "id", e.ID, "error", err)
			continue
		}
		c.notice(n)
	}
}

func (c controlSink) begin(pandapush.Cursor)    { c.notice(Notice{Kind: NoticeKeys}) }
func (c controlSink) gap(_, _ pandapush.Cursor) { c.notice(Notice{Kind: NoticeKeys}) }

// decodeNotice reads an entry of the control stream. The error is errForeign.
func decodeNotice(e redis.XMessage) (Notice, error) {
	kind, ok1 := e.Values["kind"].(string)
	app, ok2 := e.Values["app"].(string)
	key, ok3 := e.Values["key"].(string)
	if !ok1 || !ok2 || !ok3 || kind == "" || app != "" && !pandapush.AppID(app).Valid() {
		return Notice{}, errForeign
	}
	return Notice{Kind: kind, App: pandapush.AppID(app), Key: pandapush.KeyID(key)}, nil
}
