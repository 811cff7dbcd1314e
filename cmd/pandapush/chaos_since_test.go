//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/pandapush/pandapush"
)

// sinceClient keeps no session: after each failure it makes a new one and subscribes since the last message that it got,
// to everything in one go. It believes what it is sent, and would print what comes twice twice.
type sinceClient struct {
	gws.BuiltinEventHandler

	name   string
	addr   string
	record *chaosRecord

	// Owned by the goroutine of run.
	cursor string // of the last message, or where the first subscription began

	// Owned by the goroutine of run, for one connection.
	id       string // of the session
	messages int    // sent
	err      error  // why it is given up
}

// sinceSilence is how long a connection may be silent: longer than a connect is held.
const sinceSilence = 10 * time.Second

func startSinceClient(ctx context.Context, tb testing.TB, c *sinceClient) {
	tb.Helper()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(ctx)
	}()
	tb.Cleanup(func() {
		cancel()
		<-done
	})
}

func (c *sinceClient) run(ctx context.Context) {
	for again := 200 * time.Millisecond; ; {
		err := c.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		c.record.event(c.name, time.Now(), "down", err.Error())
		if !pause(ctx, again) {
			return
		}
	}
}

// connect is one connection: a session from its handshake on.
func (c *sinceClient) connect(ctx context.Context) error {
	c.id, c.messages, c.err = "", 0, nil
	socket, response, err := gws.NewClient(c, &gws.ClientOption{
		Addr: "ws://" + c.addr + "/push", HandshakeTimeout: 5 * time.Second,
		NewDialer: func() (gws.Dialer, error) { return &net.Dialer{Timeout: 5 * time.Second}, nil },
	})
	if err != nil {
		return err
	}
	_ = response.Body.Close() // an upgrade has none

	stop := context.AfterFunc(ctx, func() { _ = socket.NetConn().Close() }) // ends ReadLoop
	defer stop()
	socket.ReadLoop()
	return c.err
}

// OnOpen begins the session.
func (c *sinceClient) OnOpen(socket *gws.Conn) {
	c.send(socket, map[string]any{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": []string{"websocket"}})
}

// OnClose notes why the socket ended, unless it is known better.
func (c *sinceClient) OnClose(_ *gws.Conn, err error) {
	if c.err == nil {
		c.err = fmt.Errorf("closed: %w", err)
	}
}

// OnPing answers, as every client must.
func (c *sinceClient) OnPing(socket *gws.Conn, payload []byte) {
	if err := socket.WritePong(payload); err != nil {
		c.fail(socket, err)
	}
}

// OnMessage takes one frame.
func (c *sinceClient) OnMessage(socket *gws.Conn, frame *gws.Message) {
	defer func() { _ = frame.Close() }() // gives back a buffer
	var messages []sinceMessage
	if err := json.Unmarshal(frame.Bytes(), &messages); err != nil {
		c.record.event(c.name, time.Now(), "error", "a frame that is no array of messages")
		c.fail(socket, err)
		return
	}
	for _, m := range messages {
		c.take(socket, m)
	}
}

// sinceMessage is what a sinceClient reads of a message.
type sinceMessage struct {
	Channel    string
	ClientID   string
	Successful *bool
	Error      string
	ID         string
	Data       struct{ N, Attempt int }
	Ext        struct {
		Cursor    json.RawMessage
		Recovered *bool
		Gap       json.RawMessage
	}
	Advice struct{ Interval int } // ms
}

func (c *sinceClient) take(socket *gws.Conn, m sinceMessage) {
	switch {
	case m.Successful == nil:
		c.cursor = m.ID
		c.record.message(c.name, time.Now(), message{m.Channel, m.Data.N, m.Data.Attempt}, m.ID)
	case !*m.Successful:
		c.record.event(c.name, time.Now(), "refused", m.Channel+" "+m.Error)
		c.fail(socket, errors.New(m.Error))
	case m.Channel == "/meta/handshake":
		c.id = m.ClientID
		c.record.event(c.name, time.Now(), "session", "")
		subscribe := map[string]any{"channel": "/meta/subscribe", "subscription": chaosSubscriptions}
		if c.cursor != "" {
			subscribe["ext"] = map[string]any{"since": c.cursor}
		}
		c.send(socket, subscribe)
	case m.Channel == "/meta/subscribe":
		c.subscribed(m)
		c.connectAgain(socket)
	case m.Channel == "/meta/connect" && m.Advice.Interval > 0:
		c.fail(socket, errors.New("sent away")) // the node drains
	case m.Channel == "/meta/connect":
		c.connectAgain(socket)
	case m.Channel == "/meta/gap":
		c.record.event(c.name, time.Now(), "gap", string(m.Ext.Gap))
	}
}

// subscribed takes the answer to the subscription.
func (c *sinceClient) subscribed(m sinceMessage) {
	if c.cursor != "" {
		switch {
		case m.Ext.Recovered == nil:
			c.record.event(c.name, time.Now(), "error", "ext.since was not answered by ext.recovered")
		case !*m.Ext.Recovered:
			c.record.event(c.name, time.Now(), "gap", string(m.Ext.Gap))
		}
		return
	}
	var cursors map[string]string
	if err := json.Unmarshal(m.Ext.Cursor, &cursors); err != nil || len(cursors) != len(chaosSubscriptions) {
		c.record.event(c.name, time.Now(), "error", "the answer to a subscription has no ext.cursor for each pattern")
	}
	c.cursor = earliest(cursors)
	c.record.event(c.name, time.Now(), "subscribed", "")
}

// earliest returns the first of the cursors, so that none of the subscriptions misses anything when it goes on from there.
func earliest(cursors map[string]string) (first string) {
	var at pandapush.Cursor
	for _, text := range cursors {
		c, err := pandapush.ParseCursor(chaosApp, text)
		if err == nil && (first == "" || c.Position.Compare(at.Position) < 0) {
			first, at = text, c
		}
	}
	return first
}

func (c *sinceClient) connectAgain(socket *gws.Conn) {
	c.send(socket, map[string]any{"channel": "/meta/connect", "connectionType": "websocket"})
}

// send sends one message, and gives the server time to say something.
func (c *sinceClient) send(socket *gws.Conn, m map[string]any) {
	c.messages++
	m["id"] = fmt.Sprint(c.messages)
	if c.id != "" {
		m["clientId"] = c.id
	}
	frame, err := json.Marshal([]any{m})
	if err == nil {
		err = errors.Join(socket.SetDeadline(time.Now().Add(sinceSilence)), socket.WriteMessage(gws.OpcodeText, frame))
	}
	if err != nil {
		c.fail(socket, err)
	}
}

// fail gives the connection up.
func (c *sinceClient) fail(socket *gws.Conn, err error) {
	if c.err == nil {
		c.err = err
	}
	_ = socket.NetConn().Close() // ends ReadLoop
}
