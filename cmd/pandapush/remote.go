package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
)

// remoteFlags say which server to talk to and who is talking.
type remoteFlags struct {
	URL    string          `name:"url" variable:"PANDAPUSH_URL" default:"http://localhost:3000" help:"The server."`
	Key    pandapush.KeyID `variable:"PANDAPUSH_KEY" placeholder:"ID" help:"Key, with its secret."`
	Secret secret          `variable:"PANDAPUSH_SECRET" placeholder:"TEXT" help:"The key's secret."`
	Token  secret          `variable:"PANDAPUSH_TOKEN" placeholder:"JWT" help:"A token, instead of key and secret."`
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 20

// post sends body as JSON and returns the answer's header and body. An error says what the server said.
func (f remoteFlags) post(ctx context.Context, path string, body []byte) (http.Header, []byte, error) {
	return f.send(ctx, http.MethodPost, path, body)
}

// send is post with any method.
func (f remoteFlags) send(ctx context.Context, method, path string, body []byte) (http.Header, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(f.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	switch {
	case f.Token != "":
		request.Header.Set("Authorization", "Token "+string(f.Token))
	case f.Key != "":
		request.SetBasicAuth(string(f.Key), string(f.Secret))
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return nil, nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	err = errors.Join(err, response.Body.Close())
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, reasonOf(answer))
	}
	return response.Header, answer, err
}

// reasonOf returns the message of an error in JSON, or the text itself.
func reasonOf(answer []byte) string {
	var refusal struct{ Message, Detail string }
	if json.Unmarshal(answer, &refusal) == nil && refusal.Message+refusal.Detail != "" {
		return cmp.Or(refusal.Message, refusal.Detail)
	}
	return strings.TrimSpace(string(answer[:min(len(answer), 500)]))
}

type publishCmd struct {
	remoteFlags
	Channel string `arg:"" help:"Channel to publish on, like /devapp/public/greetings."`
	Payload string `arg:"" help:"A JSON object."`
	JSON    bool   `name:"json" variable:"-" help:"Print a JSON object."`
}

// Run publishes and prints the message's id.
func (c *publishCmd) Run(env *environment) error {
	channel, err := pandapush.ParsePlainChannel(c.Channel)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Channel, err)
	}
	header, _, err := c.post(env.ctx, "/channel"+channel.String(), []byte(c.Payload))
	if err != nil {
		return err
	}
	id := header.Get("X-Message-Id")
	if c.JSON {
		return json.NewEncoder(env.stdout).Encode(map[string]string{"id": id})
	}
	_, err = fmt.Fprintln(env.stdout, id)
	return err
}

type healthCmd struct {
	URL  string `name:"url" variable:"PANDAPUSH_URL" default:"http://localhost:3000" help:"The server."`
	JSON bool   `name:"json" variable:"-" help:"Print the server's own answer."`
}

// Run asks for readiness.
func (c *healthCmd) Run(env *environment) (err error) {
	ctx, cancel := context.WithTimeout(env.ctx, dialTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(c.URL, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if c.JSON {
		answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(env.stdout, "%s\n", answer); err != nil {
			return err
		}
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", response.Status)
	}
	if !c.JSON {
		_, err = fmt.Fprintln(env.stdout, "ready")
	}
	return err
}

type subscribeCmd struct {
	remoteFlags
	Channel []string `arg:"" help:"Channels or patterns, like /devapp/public/**."`
	Count   int      `variable:"-" placeholder:"N" help:"Stop after this many messages."`
}

// Run prints every message as {"channel":…,"data":…,"id":…} until it is stopped. It polls, since a poll gets through every
// proxy; when the server forgets it, it subscribes anew.
func (c *subscribeCmd) Run(env *environment) error {
	for failures := 0; ; {
		err := c.follow(env, &failures)
		var refused refusedError
		switch {
		case errors.Is(err, errEnough), env.ctx.Err() != nil:
			return nil //nolint:nilerr // to be stopped is no failure
		case errors.As(err, &refused):
			return refused
		}
		failures++
		if _, e := fmt.Fprintln(env.stderr, "pandapush:", err, "- trying again"); e != nil {
			return e
		}
		pause := time.Duration(rand.Int64N(int64(min(30*time.Second, time.Second<<min(failures, 5)))))
		select {
		case <-time.After(pause):
		case <-env.ctx.Done():
			return nil
		}
	}
}

// errEnough ends a subscription that has printed what it was asked for.
var errEnough = errors.New("enough")

// refusedError is a refusal that trying again would not change.
type refusedError string

// Error returns the server's text.
func (e refusedError) Error() string { return string(e) }

// answer is a Bayeux message as far as the command looks at it.
type answer struct {
	Channel    string          `json:"channel"`
	Data       json.RawMessage `json:"data"`
	ID         json.RawMessage `json:"id"`
	ClientID   string          `json:"clientId"`
	Successful *bool           `json:"successful"`
	Error      string          `json:"error"`
	Advice     struct {
		Interval int `json:"interval"` // ms
	} `json:"advice"`
}

// follow is one session: handshake, subscribe, then one connect after the other.
func (c *subscribeCmd) follow(env *environment, failures *int) error {
	types := []string{"long-polling"}
	answers, err := c.bayeux(env.ctx, map[string]any{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": types})
	if err != nil {
		return err
	}
	id := answers[0].ClientID
	for _, channel := range c.Channel {
		subscribe := map[string]any{"channel": "/meta/subscribe", "clientId": id, "subscription": channel}
		if auth := c.auth(); auth != nil {
			subscribe["ext"] = map[string]any{"auth": auth}
		}
		if _, err := c.bayeux(env.ctx, subscribe); err != nil {
			return err
		}
	}
	for n := 1; ; n++ {
		answers, err := c.bayeux(env.ctx, map[string]any{
			"channel": "/meta/connect", "clientId": id, "connectionType": types[0], "id": strconv.Itoa(n),
		})
		if err != nil {
			return err
		}
		*failures = 0
		if err := c.print(env.stdout, answers); err != nil {
			return err
		}
		select {
		case <-time.After(time.Duration(answers[0].Advice.Interval) * time.Millisecond):
		case <-env.ctx.Done():
			return nil
		}
	}
}

func (c *subscribeCmd) auth() map[string]string {
	switch {
	case c.Token != "":
		return map[string]string{"token": string(c.Token)}
	case c.Key != "":
		return map[string]string{"key": string(c.Key), "secret": string(c.Secret)}
	}
	return nil
}

// bayeux sends one message and returns the answers, its own first. A refused subscription is a refusedError.
func (c *subscribeCmd) bayeux(ctx context.Context, message map[string]any) ([]answer, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	_, text, err := c.post(ctx, "/push", body)
	if err != nil {
		return nil, err
	}
	var answers []answer
	if err := json.Unmarshal(text, &answers); err != nil || len(answers) == 0 || answers[0].Successful == nil {
		return nil, fmt.Errorf("not a Bayeux server: %s", c.URL)
	}
	if own := answers[0]; !*own.Successful {
		if own.Channel == "/meta/subscribe" && !strings.HasPrefix(own.Error, "401:") && !strings.HasPrefix(own.Error, "5") {
			return nil, refusedError(own.Error)
		}
		return nil, errors.New(own.Error)
	}
	return answers, nil
}

// print prints the messages among answers, one a line.
func (c *subscribeCmd) print(w io.Writer, answers []answer) error {
	for _, m := range answers {
		if m.Successful != nil {
			continue
		}
		line, err := json.Marshal(struct {
			Channel string          `json:"channel"`
			Data    json.RawMessage `json:"data"`
			ID      json.RawMessage `json:"id"`
		}{m.Channel, m.Data, m.ID})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\n", line); err != nil {
			return err
		}
		if c.Count--; c.Count == 0 {
			return errEnough
		}
	}
	return nil
}
