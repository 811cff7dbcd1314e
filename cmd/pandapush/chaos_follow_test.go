//go:build linux

package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"testing"
	"time"
)

// startFollowClient starts a reader of server-sent events of everything.
func startFollowClient(ctx context.Context, tb testing.TB, name, addr string, record *chaosRecord) {
	tb.Helper()
	url := "http://" + addr + "/channel" + chaosSubscriptions[0]
	for i, channel := range chaosSubscriptions[1:] {
		url += []string{"?", "&"}[min(i, 1)] + "channel=" + channel
	}
	event := func(what, detail string) { record.event(name, time.Now(), what, detail) }
	subscribed := false
	r := &reader{
		url: func() string { return url },
		client: &http.Client{Transport: &http.Transport{
			DisableKeepAlives: true, ResponseHeaderTimeout: 5 * time.Second,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
				return impatientConn{conn}, err
			},
		}},
		down: func(err error) { event("down", err.Error()) },
		take: func(e sse) {
			switch {
			case e.kind != "":
				event(e.kind, e.data)
			case e.data == "" && !subscribed:
				subscribed = true
				event("subscribed", "")
			case e.data != "":
				var m struct {
					Channel string
					Data    struct{ N, Attempt int }
				}
				if err := json.Unmarshal([]byte(e.data), &m); err != nil {
					event("error", "an event that is no message")
				}
				record.message(name, time.Now(), message{m.Channel, m.Data.N, m.Data.Attempt}, e.id)
			}
		},
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.run(ctx)
	}()
	tb.Cleanup(func() {
		cancel()
		<-done
	})
}

// impatientConn is a connection that fails when nothing comes for longer than a server is ever silent.
type impatientConn struct{ net.Conn }

// Read implements net.Conn.
func (c impatientConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(sinceSilence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}
