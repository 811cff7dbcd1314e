package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/cmd/pandapush/loadtest"
)

type loadtestCmd struct {
	remoteFlags

	Channel     string `arg:"" help:"Channel below which the test makes its own, like /devapp/public/loadtest."`
	Subscribers count  `variable:"-" default:"100" help:"Subscribers, each on one channel."`
	Publishers  count  `variable:"-" default:"4" help:"Publishers, each sending one message after the other by HTTP."`
	Channels    count  `variable:"-" default:"10" help:"Channels that both are spread over."`
	Rate        limit  `variable:"-" default:"10" help:"Messages per second, all publishers together."`
	Size        count  `variable:"-" default:"128" help:"Bytes of data in a message."`
	Duration    span   `variable:"-" default:"10s" help:"How long to publish."`
	Ramp        wait   `variable:"-" default:"1s" help:"Time over which subscribers connect."`
	Settle      wait   `variable:"-" default:"15s" help:"Longest time to wait, at the end, for missing messages."`
	Transport   string `variable:"-" default:"websocket" enum:"websocket,eventstream" help:"How subscribers connect: websocket, or eventstream (server-sent events)."`
	JSON        bool   `name:"json" variable:"-" help:"Print a JSON object."`
}

// Run runs a load test and prints what it measured, as far as it got if it is stopped. It fails if a message was lost or came
// out of order.
func (c *loadtestCmd) Run(env *environment) error {
	channel, err := pandapush.ParsePlainChannel(c.Channel)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Channel, err)
	}
	if c.Rate == 0 {
		return errors.New("--rate 0 publishes nothing: it takes a number above 0")
	}
	result, err := loadtest.Run(env.ctx, loadtest.Config{
		URL: c.URL, Channel: channel, Transport: c.Transport,
		Key: c.Key, Secret: pandapush.Secret(c.Secret), Token: string(c.Token),
		Subscribers: int(c.Subscribers), Publishers: int(c.Publishers), Channels: int(c.Channels),
		Rate: float64(c.Rate), Size: int(c.Size),
		Ramp: time.Duration(c.Ramp), Duration: time.Duration(c.Duration), Settle: time.Duration(c.Settle),
		Progress: env.stderr, Terminal: isTerminal(env.stderr),
	})
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(env.stdout).Encode(result)
	} else {
		err = result.Print(env.stdout)
	}
	return errors.Join(err, result.Err())
}

// isTerminal reports whether w is a terminal, or another device that does not mind.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
