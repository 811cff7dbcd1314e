package streams

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// The fields of an entry; those after the data only where they say something. Fields beside them are ignored, so that later
// versions may add some.
const (
	fieldChannel = "c"
	fieldData    = "d"
	fieldNotice  = "n" // "1": the server's own
	fieldExclude = "x" // client id of a session that does not get it
	fieldExpires = "e" // Unix time in milliseconds
)

var errForeign = errors.New("entry is not a message of this application")

// appendFields appends the fields of m's entry, each with its value, to args.
func appendFields(args []any, m *pandapush.Message) []any {
	args = append(args, fieldChannel, m.Channel.String(), fieldData, m.Data)
	if m.Notice {
		args = append(args, fieldNotice, "1")
	}
	if m.Exclude != "" {
		args = append(args, fieldExclude, m.Exclude)
	}
	if !m.Expires.IsZero() {
		args = append(args, fieldExpires, m.Expires.UnixMilli())
	}
	return args
}

// decodeEntry reads an entry of app's stream. The message's epoch is left for the caller, who knows it. The error, for
// an entry that this program did not write, is errForeign or pandapush.ErrInvalidCursor.
func decodeEntry(app pandapush.AppID, entry redis.XMessage) (pandapush.Message, error) {
	name, ok1 := entry.Values[fieldChannel].(string)
	data, ok2 := entry.Values[fieldData].(string)
	if !ok1 || !ok2 || data == "" {
		return pandapush.Message{}, errForeign
	}
	channel, err := pandapush.ParseChannel(name)
	if err != nil || channel.App() != app {
		return pandapush.Message{}, errForeign
	}
	at, err := pandapush.ParsePosition(entry.ID)
	if err != nil {
		return pandapush.Message{}, err
	}
	m := pandapush.Message{Channel: channel, Data: []byte(data), Cursor: pandapush.Cursor{Position: at}}
	if len(entry.Values) > 2 {
		decodeRest(&m, entry.Values)
	}
	return m, nil
}

// decodeRest reads the fields that few entries have. An expiry that can't be read is none.
func decodeRest(m *pandapush.Message, values map[string]any) {
	m.Notice = values[fieldNotice] == "1"
	m.Exclude, _ = values[fieldExclude].(string)
	if text, ok := values[fieldExpires].(string); ok {
		if at, err := strconv.ParseInt(text, 10, 64); err == nil {
			m.Expires = time.UnixMilli(at)
		}
	}
}

// xadd is the command that appends an entry. go-redis' Cluster client sends a pipeline a second time when its connection
// breaks, which would double every entry that Redis had already taken; NoRetry forbids that and leaves redirects alone.
type xadd struct{ *redis.StringCmd }

// newXadd returns the command that appends m to an existing stream.
func newXadd(ctx context.Context, log string, maxLen int64, m *pandapush.Message) xadd {
	args := append(make([]any, 0, 11), "xadd", log, "nomkstream", "maxlen", "~", maxLen, "*")
	return xadd{redis.NewStringCmd(ctx, appendFields(args, m)...)}
}

// NoRetry implements redis.Cmder.
func (xadd) NoRetry() bool { return true }
