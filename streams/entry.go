package streams

import (
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// The fields of an entry. Fields beside them are ignored, so that later versions may add some.
const (
	fieldChannel = "c"
	fieldData    = "d"
	fieldNotice  = "n" // "1" for the server's own
)

var errForeign = errors.New("entry is not a message of this application")

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
	return pandapush.Message{
		Channel: channel, Data: []byte(data), Cursor: pandapush.Cursor{Position: at},
		Notice: entry.Values[fieldNotice] == "1",
	}, nil
}

// xadd is the command that appends an entry. go-redis' Cluster client sends a pipeline a second time when its connection
// breaks, which would double every entry that Redis had already taken; NoRetry forbids that and leaves redirects alone.
type xadd struct{ *redis.StringCmd }

// NoRetry implements redis.Cmder.
func (xadd) NoRetry() bool { return true }
