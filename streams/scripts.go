package streams

import (
	"context"
	_ "embed" // the Lua scripts
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// Scripts are sent in full, not by their hash: they run once per application, node and outage, and a pipeline of hashes
// would need a second round for those that Redis does not know.
var (
	//go:embed lua/activate.lua
	activateScript string
	//go:embed lua/create.lua
	createScript string
)

// standing is where a stream stands.
type standing struct {
	epoch pandapush.Epoch
	last  pandapush.Position // id of the newest entry ever made, trimmed or not
	// before is the newest entry at or before the position that was asked about, if that position's own entry is gone
	// but older ones are there; else zero.
	before pandapush.Position
}

// activation is the reply of activate.lua that is still to come.
type activation struct {
	app pandapush.AppID
	cmd *script
}

// script is an EVAL that is never sent twice.
type script struct{ *redis.Cmd }

// NoRetry implements redis.Cmder.
func (script) NoRetry() bool { return true }

func eval(ctx context.Context, pipe redis.Pipeliner, text string, k appKeys, args ...any) *script {
	all := append(make([]any, 0, 6+len(args)), "eval", text, 3, k.log, k.epoch, k.apps)
	cmd := &script{redis.NewCmd(ctx, append(all, args...)...)}
	cmd.SetFirstKeyPos(3)
	_ = pipe.Process(ctx, cmd) // a pipeline only queues; the error is always nil
	return cmd
}

// activate queues activate.lua. A zero position asks about none.
func activate(ctx context.Context, pipe redis.Pipeliner, k appKeys, app pandapush.AppID, at pandapush.Position) activation {
	position := ""
	if at != (pandapush.Position{}) {
		position = at.String()
	}
	return activation{app, eval(ctx, pipe, activateScript, k, string(pandapush.NewEpoch(app)), string(app), position)}
}

func (a activation) result() (standing, error) {
	reply, err := a.cmd.StringSlice()
	if err != nil {
		return standing{}, err
	}
	if len(reply) != 3 {
		return standing{}, fmt.Errorf("activate.lua returned %d values", len(reply))
	}
	s := standing{epoch: pandapush.Epoch(reply[0])}
	if s.last, err = pandapush.ParsePosition(reply[1]); err != nil {
		return standing{}, fmt.Errorf("last id of the stream: %w", err)
	}
	if reply[2] == "" {
		return s, nil
	}
	if s.before, err = pandapush.ParsePosition(reply[2]); err != nil {
		return standing{}, fmt.Errorf("id of an entry: %w", err)
	}
	return s, nil
}

// create queues create.lua.
func create(ctx context.Context, pipe redis.Pipeliner, k appKeys, m pandapush.Message, maxLen int64) *script {
	app := m.Channel.App()
	return eval(ctx, pipe, createScript, k, string(pandapush.NewEpoch(app)), string(app), maxLen, m.Channel.String(), m.Data)
}

// createdCursor reads the reply of create.lua.
func createdCursor(cmd *script) (pandapush.Cursor, error) {
	reply, err := cmd.StringSlice()
	if err != nil {
		return pandapush.Cursor{}, err
	}
	if len(reply) != 2 {
		return pandapush.Cursor{}, fmt.Errorf("create.lua returned %d values", len(reply))
	}
	at, err := pandapush.ParsePosition(reply[1])
	return pandapush.Cursor{Epoch: pandapush.Epoch(reply[0]), Position: at}, err
}
