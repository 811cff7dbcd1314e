package streams

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

const (
	reportBatch = 500    // channels in one script, and in one notice
	listLimit   = 10_000 // channels that are listed
)

// WatchChannels has the channels of app watched for ttl: all nodes find app in WatchedApps, and report the channels that they
// have subscribers for. With announce, each change is a notice on app's meta channel. It returns how many channels are in use,
// as far as is known yet, and how many members all rooms of app have. The error wraps pandapush.ErrUnavailable or is ctx's.
func (s *Streams) WatchChannels(ctx context.Context, app pandapush.AppID, announce bool, ttl time.Duration) (channels, members int64, err error) {
	until := time.Now().Add(ttl).UnixMilli() // by this node's clock: a wrong one makes it longer or shorter, and nothing worse
	watched := redis.NewIntCmd(ctx, "zadd", s.keys.watched(), "gt", until, string(app))
	if err := s.of[0].calls.do(ctx, watched); err != nil {
		return 0, 0, fmt.Errorf("watch channels: %w", err)
	}
	if err := watched.Err(); err != nil {
		return 0, 0, fmt.Errorf("watch channels: %w", unavailable(err))
	}
	in, mark := s.keys.channels(app)
	cmd := channelsWatchScript.call(ctx, []string{in, mark, s.keys.members(app)}, millis(ttl), flag(announce))
	if err := s.of[bucketOf(app)].calls.do(ctx, cmd); err != nil {
		return 0, 0, fmt.Errorf("watch channels: %w", err)
	}
	counts, err := cmd.Int64Slice()
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("watch channels: %w", unavailable(err))
	case len(counts) != 2:
		return 0, 0, fmt.Errorf("watch channels: channels-watch.lua returned %d values", len(counts))
	}
	return counts[0], counts[1], nil
}

// WatchedApps returns the applications whose channels are watched. The error wraps pandapush.ErrUnavailable or is ctx's.
func (s *Streams) WatchedApps(ctx context.Context) ([]pandapush.AppID, error) {
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	forget := redis.NewIntCmd(ctx, "zremrangebyscore", s.keys.watched(), "-inf", now)
	list := redis.NewStringSliceCmd(ctx, "zrange", s.keys.watched(), 0, -1)
	if err := s.of[0].calls.do(ctx, forget, list); err != nil {
		return nil, fmt.Errorf("watched applications: %w", err)
	}
	names, err := list.Result()
	if err != nil {
		return nil, fmt.Errorf("watched applications: %w", unavailable(err))
	}
	apps := make([]pandapush.AppID, len(names))
	for i, name := range names {
		apps[i] = pandapush.AppID(name)
	}
	return apps, nil
}

// ReportChannels says that these channels of app have subscribers on this node, which holds for ttl by Redis' clock. A channel
// is in use while any node says so, and only changes of that are announced. Without channels it only lets Redis expire what
// is over. The error wraps pandapush.ErrUnavailable or is ctx's; then some may have been reported.
func (s *Streams) ReportChannels(ctx context.Context, app pandapush.AppID, channels []string, ttl time.Duration) error {
	in, mark := s.keys.channels(app)
	keys := append(s.keys.app(app).all(), in, mark)
	var commands []redis.Cmder
	for first := true; first || len(channels) > 0; first = false {
		batch := channels[:min(len(channels), reportBatch)]
		channels = channels[len(batch):]
		args := []any{
			string(pandapush.NewEpoch(app)), string(app), s.maxLen(app), pandapush.ChannelsChannel(app).String(), millis(ttl), reportBatch,
		}
		for _, channel := range batch {
			args = append(args, channel)
		}
		commands = append(commands, channelsReportScript.call(ctx, keys, args...))
	}
	if _, err := s.of[bucketOf(app)].calls.doAll(ctx, commands); err != nil {
		return fmt.Errorf("report channels: %w", err)
	}
	for _, cmd := range commands {
		if err := cmd.Err(); err != nil {
			return fmt.Errorf("report channels: %w", unavailable(err))
		}
	}
	return nil
}

// OccupiedChannels returns the channels of app that are in use, 10,000 at most, and the cursor at which that is so: the
// notices after it tell what changes. The error wraps pandapush.ErrUnavailable or is ctx's.
func (s *Streams) OccupiedChannels(ctx context.Context, app pandapush.AppID) ([]string, pandapush.Cursor, error) {
	in, _ := s.keys.channels(app)
	cmd := channelsListScript.call(ctx, append(s.keys.app(app).all(), in), string(pandapush.NewEpoch(app)), string(app), s.maxLen(app), listLimit)
	if err := s.of[bucketOf(app)].calls.do(ctx, cmd); err != nil {
		return nil, pandapush.Cursor{}, fmt.Errorf("occupied channels: %w", err)
	}
	reply, err := cmd.Slice()
	switch {
	case err != nil:
		return nil, pandapush.Cursor{}, fmt.Errorf("occupied channels: %w", unavailable(err))
	case len(reply) != 3:
		return nil, pandapush.Cursor{}, fmt.Errorf("occupied channels: channels-list.lua returned %d values", len(reply))
	}
	epoch, _ := reply[0].(string)
	last, _ := reply[1].(string)
	cursor, err := pandapush.ParseCursor(app, epoch+"-"+last)
	if err != nil {
		return nil, pandapush.Cursor{}, fmt.Errorf("occupied channels: %w", err)
	}
	found, _ := reply[2].([]any)
	channels := make([]string, 0, len(found))
	for _, f := range found {
		if name, ok := f.(string); ok {
			channels = append(channels, name)
		}
	}
	return channels, cursor, nil
}
