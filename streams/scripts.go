package streams

import (
	"context"
	"crypto/sha1" //nolint:gosec // what Redis calls a script
	"embed"
	"encoding/hex"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// The scripts. Each touches keys of one hash tag only.
var (
	activateScript      = loadLua("activate")
	appendScript        = loadLua("append")
	appendOnceScript    = loadLua("append-once")
	leaseScript         = loadLua("lease")
	rewindScript        = loadLua("rewind")
	spanScript          = loadLua("span")
	sessionCreateScript = loadLua("session", "session-create")
	sessionClaimScript  = loadLua("session", "session-claim")
	sessionSaveScript   = loadLua("session", "session-save")
	sessionChangeScript = loadLua("session", "session-change")
	sessionEndScript    = loadLua("session-end")
	shareScript         = loadLua("share")
	sharesScript        = loadLua("shares")

	presenceJoinScript  = loadLua("notice", "presence", "presence-join")
	presenceLeaveScript = loadLua("notice", "presence", "presence-leave")
	presenceListScript  = loadLua("notice", "presence", "presence-list")
	presenceTouchScript = loadLua("presence-touch")
	presenceDueScript   = loadLua("presence-due")

	channelsWatchScript  = loadLua("channels-watch")
	channelsReportScript = loadLua("notice", "channels-report")
	channelsListScript   = loadLua("notice", "channels-list")
)

// lua is a script, and the hash by which Redis knows it once it has run it.
type lua struct{ text, hash string }

// loadLua returns the script that the named files are together.
func loadLua(names ...string) lua {
	var text []byte
	for _, name := range names {
		part, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // not built from these sources
		}
		text = append(text, part...)
	}
	sum := sha1.Sum(text) //nolint:gosec // see above
	return lua{string(text), hex.EncodeToString(sum[:])}
}

// call returns the command that runs l by its hash, for calls.do.
func (l lua) call(ctx context.Context, keys []string, args ...any) *script {
	all := append(make([]any, 0, 3+len(keys)+len(args)), "evalsha", l.hash, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	return newScript(ctx, l, append(all, args...))
}

// script is a call of a script that is never sent twice.
type script struct {
	*redis.Cmd
	lua lua
}

func newScript(ctx context.Context, l lua, args []any) *script {
	s := &script{redis.NewCmd(ctx, args...), l}
	s.SetFirstKeyPos(3)
	return s
}

// inFull makes s send the text of the script instead of its hash. It forgets what came of it.
func (s *script) inFull(ctx context.Context) *script {
	args := s.Args()
	args[0], args[1] = "eval", s.lua.text
	*s = *newScript(ctx, s.lua, args)
	return s
}

// NoRetry implements redis.Cmder.
func (*script) NoRetry() bool { return true }

// standing is where a stream stands.
type standing struct {
	epoch pandapush.Epoch
	last  pandapush.Position // id of the newest entry ever made, trimmed or not
	lost  bool               // entries have just been found to be lost; a mark in the stream says so
}

// activation is the reply of activate.lua that is still to come.
type activation struct{ cmd *script }

// In pipelines of their own, scripts are sent in full: they run once per application, node and outage there, and hashes
// would need a second round for those that Redis does not know.
func eval(ctx context.Context, pipe redis.Pipeliner, s *script) *script {
	_ = pipe.Process(ctx, s.inFull(ctx)) // a pipeline only queues; the error is always nil
	return s
}

// activate queues activate.lua for somebody who has read or written a stream up to a cursor; a zero one is of nobody.
func activate(ctx context.Context, pipe redis.Pipeliner, k appKeys, app pandapush.AppID, at pandapush.Cursor) activation {
	a := newActivation(ctx, k, app, at)
	eval(ctx, pipe, a.cmd)
	return a
}

func newActivation(ctx context.Context, k appKeys, app pandapush.AppID, at pandapush.Cursor) activation {
	position := ""
	if at.Position != (pandapush.Position{}) {
		position = at.Position.String()
	}
	return activation{activateScript.call(ctx, append(k.all(), k.mark),
		string(pandapush.NewEpoch(app)), string(app), position, string(at.Epoch))}
}

func (a activation) result() (standing, error) {
	reply, err := a.cmd.StringSlice()
	if err != nil {
		return standing{}, err
	}
	if len(reply) != 3 {
		return standing{}, fmt.Errorf("activate.lua returned %d values", len(reply))
	}
	s := standing{epoch: pandapush.Epoch(reply[0]), lost: reply[2] != ""}
	if s.last, err = pandapush.ParsePosition(reply[1]); err != nil {
		return standing{}, fmt.Errorf("last id of the stream: %w", err)
	}
	return s, nil
}
