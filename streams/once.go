package streams

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// maxOnceKey bounds the key of a Condition, in bytes.
const maxOnceKey = 256

// maxAtOnce bounds how many messages are appended together: a script with many of them is all that Redis does meanwhile.
const maxAtOnce = 1000

// onceTogether bounds how many appends under keys share a script: Redis does nothing else meanwhile, for some 5 µs each.
const onceTogether = 64

// AppendOnce is Append, unless a message of the same application was appended under key within window: then it returns that
// one's place, and true. A key has 1 to 256 bytes, and a window at least a millisecond.
func (s *Streams) AppendOnce(
	ctx context.Context, m pandapush.Message, key string, window time.Duration,
) (cursor pandapush.Cursor, repeated bool, err error) {
	c := pandapush.Condition{Key: key, Window: window}
	if err = checkCondition([]pandapush.Message{m}, c); err == nil {
		cursor, repeated, err = s.append(ctx, m, c)
	}
	if err != nil {
		return pandapush.Cursor{}, false, fmt.Errorf("append once: %w", err)
	}
	return cursor, repeated, nil
}

// AppendIf is Append for up to 1,000 messages of one application that are to be stored once, or only if nothing is newer
// than a cursor: all of them or none. It returns where each stands, and whether they were there already, under the
// condition's key. A cursor is looked for among the newest 1,000 entries of the stream, and 4 MiB of them: one that is
// further back counts as too old.
//
// It needs Run to be running. One message under a key costs Redis about three times as much as an Append when others are on their
// way, else five times; several messages, or a cursor that is far back, cost more. The error is pandapush.ErrKeyReused or a *pandapush.ChangedError; or it wraps pandapush.ErrUnavailable or is
// ctx's, and then the messages may have been stored: whoever repeats the call with the same key finds out.
func (s *Streams) AppendIf(
	ctx context.Context, messages []pandapush.Message, c pandapush.Condition,
) (cursors []pandapush.Cursor, repeated bool, err error) {
	if err := checkCondition(messages, c); err != nil {
		return nil, false, fmt.Errorf("append if: %w", err)
	}
	if len(messages) == 1 && c.After == (pandapush.Cursor{}) {
		cursors = make([]pandapush.Cursor, 1)
		cursors[0], repeated, err = s.append(ctx, messages[0], c)
	} else {
		cursors, repeated, err = s.appendTogether(ctx, messages, c)
	}
	if err != nil {
		return nil, false, fmt.Errorf("append if: %w", err)
	}
	return cursors, repeated, nil
}

// appendTogether appends messages by a script of their own.
func (s *Streams) appendTogether(
	ctx context.Context, messages []pandapush.Message, c pandapush.Condition,
) (cursors []pandapush.Cursor, repeated bool, err error) {
	app, start := messages[0].Channel.App(), time.Now()
	cmd, b := newAppend(ctx, s.keys, s.maxLen(app), messages, c), s.of[bucketOf(app)]
	if err = b.calls.do(ctx, cmd); err == nil {
		cursors, repeated, err = appended(app, cmd, len(messages))
	}
	if err == nil && !repeated {
		b.appender.epochs.note(app, cursors[len(cursors)-1])
	}
	s.count(messages, start, repeated, err)
	return cursors, repeated, err
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

// onceCall is a call of append-once.lua: appends of one application, each under a key.
type onceCall struct {
	app     pandapush.AppID
	appends []*pendingAppend
	cmd     *script
}

// addOnce adds p to the call of its application that has room, or a new one.
func addOnce(all []*onceCall, p *pendingAppend) []*onceCall {
	app := p.message.Channel.App()
	for _, c := range all {
		if c.app == app && len(c.appends) < onceTogether {
			c.appends = append(c.appends, p)
			return all
		}
	}
	return append(all, &onceCall{app: app, appends: []*pendingAppend{p}})
}

// newAppendOnce returns the command of a call. The script is sent in full unless Redis is known to have it.
func (a *appender) newAppendOnce(ctx context.Context, c *onceCall) *script {
	app := a.keys.app(c.app)
	names := append(make([]string, 0, 2+len(c.appends)), app.log, app.epoch)
	args := append(make([]any, 0, 1+9*len(c.appends)), a.maxLen(c.app))
	for _, p := range c.appends {
		names = append(names, a.keys.once(c.app, p.once.Key))
		args = append(args, p.once.Print, millis(p.once.Window), nil)
		at := len(args)
		args = appendFields(args, &p.message)
		args[at-1] = len(args) - at
	}
	cmd := appendOnceScript.call(ctx, names, args...)
	if !a.epochs.hasScript(c.app) {
		cmd.inFull(ctx)
	}
	return cmd
}

// settleOnce reads the reply to a call that was sent in the given generation of epochs. Where there is no stream yet, or no such
// script, the appends are not settled.
func (a *appender) settleOnce(c *onceCall, generation uint64) {
	reply, err := c.cmd.StringSlice()
	switch {
	case redis.HasErrorPrefix(err, "NOSCRIPT"):
		a.epochs.setScript(c.app, false, generation)
		return
	case err != nil:
		err = unavailable(err)
	case len(reply) == 0:
		return
	case len(reply) != 1+len(c.appends):
		err = fmt.Errorf("append-once.lua returned %d values", len(reply))
	default:
		a.epochs.put(c.app, pandapush.Epoch(reply[0]), generation)
	}
	if err == nil {
		a.epochs.setScript(c.app, true, generation)
	}
	for i, p := range c.appends {
		if p.err = err; err == nil {
			p.cursor, p.repeated, p.err = appendedOnce(c.app, reply[1+i])
		}
	}
}

// appendedOnce reads what append-once.lua returned for one append.
func appendedOnce(app pandapush.AppID, result string) (at pandapush.Cursor, repeated bool, err error) {
	outcome, where, _ := strings.Cut(result, " ")
	if outcome == "reused" {
		return at, false, pandapush.ErrKeyReused
	}
	cursors, err := parseRuns(where)
	if err != nil {
		return at, false, err
	}
	if len(cursors) != 1 || !cursors[0].Epoch.Of(app) { // without fingerprints the key may be that of a batch
		return at, false, fmt.Errorf("append-once.lua returned %d ids for one message", len(cursors))
	}
	return cursors[0], outcome == "repeated", nil
}

// appended reads the reply of append.lua to a call with so many messages.
func appended(app pandapush.AppID, cmd *script, count int) (cursors []pandapush.Cursor, repeated bool, err error) {
	reply, err := cmd.StringSlice()
	if err != nil {
		return nil, false, unavailable(err)
	}
	switch {
	case len(reply) == 1 && reply[0] == "reused":
		return nil, false, pandapush.ErrKeyReused
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
