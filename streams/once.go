package streams

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
)

// maxOnceKey bounds the key of a Condition, in bytes.
const maxOnceKey = 256

// maxAtOnce bounds how many messages are appended together: a script with many of them is all that Redis does meanwhile.
const maxAtOnce = 1000

// AppendOnce is AppendIf for one message and a key.
func (s *Streams) AppendOnce(
	ctx context.Context, m pandapush.Message, key string, window time.Duration,
) (cursor pandapush.Cursor, repeated bool, err error) {
	cursors, repeated, err := s.AppendIf(ctx, []pandapush.Message{m}, pandapush.Condition{Key: key, Window: window})
	if err != nil {
		return cursor, false, err
	}
	return cursors[0], repeated, nil
}

// AppendIf is Append for up to 1,000 messages of one application that are to be stored once, or only if nothing is newer
// than a cursor: all of them or none. It returns where each stands, and whether they were there already, under the
// condition's key. A cursor is looked for among the newest 1,000 entries of the stream, and 4 MiB of them: one that is
// further back counts as too old.
//
// It does not need Run. It costs Redis about five times as much as an Append, and more for several messages or a cursor that
// is far back. The error is pandapush.ErrKeyReused or a *pandapush.ChangedError; or it wraps pandapush.ErrUnavailable or is
// ctx's, and then the messages may have been stored: whoever repeats the call with the same key finds out.
func (s *Streams) AppendIf(
	ctx context.Context, messages []pandapush.Message, c pandapush.Condition,
) (cursors []pandapush.Cursor, repeated bool, err error) {
	if err := checkCondition(messages, c); err != nil {
		return nil, false, fmt.Errorf("append if: %w", err)
	}
	start := time.Now()
	app := messages[0].Channel.App()
	err = errNoStream
	if len(messages) == 1 && c.After == (pandapush.Cursor{}) {
		cursors, repeated, err = s.appendBy(ctx, newAppendOnce(ctx, s.keys, s.maxLen(app), &messages[0], c), messages)
	}
	if errors.Is(err, errNoStream) {
		cursors, repeated, err = s.appendBy(ctx, newAppend(ctx, s.keys, s.maxLen(app), messages, c), messages)
	}
	switch {
	case err != nil:
		if errors.Is(err, pandapush.ErrUnavailable) {
			s.metrics.appendErrors.Inc()
		}
		return nil, false, fmt.Errorf("append if: %w", err)
	case repeated:
		s.metrics.repeats.Add(float64(len(messages)))
	default:
		s.metrics.appends.Add(float64(len(messages)))
		for i := range messages {
			s.usage.add(&messages[i])
		}
		s.metrics.appendTime.Observe(time.Since(start).Seconds())
	}
	return cursors, repeated, nil
}

// appendBy runs a script that appends messages.
func (s *Streams) appendBy(ctx context.Context, cmd *script, messages []pandapush.Message) ([]pandapush.Cursor, bool, error) {
	app := messages[0].Channel.App()
	if err := s.of[bucketOf(app)].calls.do(ctx, cmd); err != nil {
		return nil, false, err
	}
	return appended(app, cmd, len(messages))
}

func checkCondition(messages []pandapush.Message, c pandapush.Condition) error {
	switch {
	case len(messages) == 0 || len(messages) > maxAtOnce:
		return fmt.Errorf("%d messages", len(messages))
	case c.Key == "" && c.After == (pandapush.Cursor{}):
		return errors.New("no condition")
	case len(c.Key) > maxOnceKey:
		return fmt.Errorf("a key of %d bytes", len(c.Key))
	case c.Key != "" && c.Window < time.Millisecond:
		return fmt.Errorf("a window of %v", c.Window)
	case c.After != (pandapush.Cursor{}) && len(messages) > 1:
		return errors.New("a cursor for several messages")
	}
	for i := range messages {
		if messages[i].Channel.App() != messages[0].Channel.App() {
			return errors.New("messages of several applications")
		}
	}
	return nil
}

// newAppend returns the call of append.lua.
func newAppend(ctx context.Context, k keys, maxLen int64, messages []pandapush.Message, c pandapush.Condition) *script {
	app := messages[0].Channel.App()
	names := k.app(app).all()
	if c.Key != "" {
		names = append(names, k.once(app, c.Key))
	}
	epoch, position := "", ""
	if c.After != (pandapush.Cursor{}) {
		epoch, position = string(c.After.Epoch), c.After.Position.String()
	}
	args := append(make([]any, 0, 7+5*len(messages)),
		string(pandapush.NewEpoch(app)), string(app), maxLen, c.Print, millis(c.Window), epoch, position)
	for i := range messages {
		at := len(args)
		args = appendFields(append(args, nil), &messages[i])
		args[at] = len(args) - at - 1
	}
	return appendScript.call(ctx, names, args...)
}

// newAppendOnce returns the call of append-once.lua.
func newAppendOnce(ctx context.Context, k keys, maxLen int64, m *pandapush.Message, c pandapush.Condition) *script {
	app := k.app(m.Channel.App())
	names := []string{app.log, app.epoch, k.once(m.Channel.App(), c.Key)}
	args := append(make([]any, 0, 13), maxLen, c.Print, millis(c.Window))
	return appendOnceScript.call(ctx, names, appendFields(args, m)...)
}

// errNoStream says that nothing was appended because there is no stream yet.
var errNoStream = errors.New("no stream")

// appended reads the reply of append.lua or append-once.lua to a call with so many messages.
func appended(app pandapush.AppID, cmd *script, count int) (cursors []pandapush.Cursor, repeated bool, err error) {
	reply, err := cmd.StringSlice()
	if err != nil {
		return nil, false, unavailable(err)
	}
	switch {
	case len(reply) == 1 && reply[0] == "reused":
		return nil, false, pandapush.ErrKeyReused
	case len(reply) == 1 && reply[0] == "none":
		return nil, false, errNoStream
	case len(reply) == 4 && reply[0] == "changed":
		return nil, false, conditionFailed(reply[1], reply[2], reply[3])
	case len(reply) != 2:
		return nil, false, fmt.Errorf("append.lua returned %d values", len(reply))
	}
	if cursors, err = parseRuns(reply[1]); err != nil {
		return nil, false, err
	}
	if len(cursors) != count || !cursors[0].Epoch.Of(app) {
		// Without fingerprints the same key may stand for another number of messages.
		return nil, false, fmt.Errorf("append.lua returned %d ids for %d messages", len(cursors), count)
	}
	return cursors, reply[0] == "repeated", nil
}

// conditionFailed makes the error of a condition that does not hold, from ids of which some may be empty.
func conditionFailed(newest, epoch, last string) error {
	var positions [2]pandapush.Position
	for i, id := range []string{newest, last} {
		var err error
		if id == "" {
			continue
		}
		if positions[i], err = pandapush.ParsePosition(id); err != nil {
			return fmt.Errorf("id of an entry: %w", err)
		}
	}
	e := &pandapush.ChangedError{Tail: pandapush.Cursor{Epoch: pandapush.Epoch(epoch), Position: positions[1]}}
	if newest != "" {
		e.Newest = pandapush.Cursor{Epoch: pandapush.Epoch(epoch), Position: positions[0]}
	}
	return e
}

// parseRuns reads "<epoch> <id>+<count> …": so many ids each, one after the other.
func parseRuns(where string) ([]pandapush.Cursor, error) {
	epoch, runs, _ := strings.Cut(where, " ")
	var cursors []pandapush.Cursor
	for run := range strings.SplitSeq(runs, " ") {
		id, length, _ := strings.Cut(run, "+")
		position, err := pandapush.ParsePosition(id)
		if err != nil {
			return nil, fmt.Errorf("id of an entry: %w", err)
		}
		count, err := strconv.Atoi(length)
		if err != nil || count < 1 || len(cursors)+count > maxAtOnce {
			return nil, fmt.Errorf("a run of %q ids", length)
		}
		for range count {
			cursors = append(cursors, pandapush.Cursor{Epoch: pandapush.Epoch(epoch), Position: position})
			position.Seq++
		}
	}
	return cursors, nil
}
