package loadtest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lxzan/gws"
)

const (
	// dialPatience bounds the making of a connection.
	dialPatience = 10 * time.Second
	// silence is how long a connection may be quiet, or take to send what it was given, until it counts as broken. The server
	// answers a connect at least every 30 s by default.
	silence = 2 * time.Minute
	// readBuffer is small, as there are many connections; a frame may be larger.
	readBuffer = 512
)

// webSocket is the transport of Bayeux clients on WebSockets.
type webSocket struct {
	cfg Config
	url string // ws or wss
	tls *tls.Config
	to  string // host and port
}

func newWebSocket(cfg Config) *webSocket {
	w := &webSocket{cfg: cfg, url: "ws" + strings.TrimPrefix(cfg.URL, "http") + "/push"}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		panic(err) // newTest has parsed it
	}
	w.to = u.Host
	if u.Port() == "" {
		w.to = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if u.Scheme == "https" {
		w.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
	}
	return w
}

// dial opens a connection.
func (w *webSocket) dial(ctx context.Context) (net.Conn, error) {
	plain := net.Dialer{Timeout: dialPatience}
	if w.tls == nil {
		return plain.DialContext(ctx, "tcp", w.to)
	}
	secure := tls.Dialer{NetDialer: &plain, Config: w.tls}
	return secure.DialContext(ctx, "tcp", w.to)
}

// follow is part of transport. A subscriber that has a session goes on with it.
func (w *webSocket) follow(ctx context.Context, s *subscriber) error {
	conn, err := w.dial(ctx)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // ends what is under way; its failure is no news
	b := &bayeux{subscriber: s, cfg: w.cfg}
	socket, upgrade, err := gws.NewClientFromConn(b, &gws.ClientOption{
		Addr: w.url, HandshakeTimeout: dialPatience, ReadBufferSize: readBuffer,
	}, conn)
	if upgrade != nil && upgrade.Body != nil {
		defer func() { _ = upgrade.Body.Close() }() // there is none
	}
	if err != nil {
		return refusedUpgrade(upgrade, err)
	}
	b.socket = socket
	b.begin()
	socket.ReadLoop()
	return b.err
}

// refusedUpgrade returns why a server did not take a WebSocket.
func refusedUpgrade(upgrade *http.Response, err error) error {
	if upgrade == nil || upgrade.StatusCode == http.StatusSwitchingProtocols {
		return err
	}
	err = fmt.Errorf("WebSocket: the server answered %s", upgrade.Status)
	if upgrade.StatusCode < 500 && upgrade.StatusCode != http.StatusTooManyRequests {
		return refusedError(err.Error())
	}
	return err
}

// bayeux is one connection. All of it belongs to the goroutine that reads the socket.
type bayeux struct {
	gws.BuiltinEventHandler

	*subscriber

	cfg        Config
	socket     *gws.Conn
	subscribed bool  // the session has the subscription
	err        error // why it ended
}

// reply is a message from the server: an answer, or one that was published.
type reply struct {
	Channel    string  `json:"channel"`
	Data       payload `json:"data"`
	ID         string  `json:"id"`
	ClientID   string  `json:"clientId"`
	Successful *bool   `json:"successful"`
	Error      string  `json:"error"`
	Advice     struct {
		Reconnect string `json:"reconnect"`
		Interval  int    `json:"interval"` // ms
	} `json:"advice"`
	Ext struct {
		Cursor string `json:"cursor"`
	} `json:"ext"`
}

// object is a JSON object to be sent.
type object map[string]any

// begin resumes the session, or makes one.
func (b *bayeux) begin() {
	b.alive()
	if b.session == "" {
		b.send(object{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": []string{"websocket"}})
		return
	}
	b.subscribed = true
	b.send(object{
		"channel": "/meta/connect", "clientId": b.session, "connectionType": "websocket",
		"advice": object{"timeout": 0}, "ext": object{"since": object{string(b.cfg.Channel.App()): b.cursor}},
	})
}

// connect has the server hold a connect, for as long as it likes.
func (b *bayeux) connect() {
	b.send(object{"channel": "/meta/connect", "clientId": b.session, "connectionType": "websocket"})
}

// subscribe asks for the channel's messages, from the cursor on if there is one.
func (b *bayeux) subscribe() {
	ext := object{}
	switch {
	case b.cfg.Token != "":
		ext["auth"] = object{"token": b.cfg.Token}
	case b.cfg.Key != "":
		ext["auth"] = object{"key": b.cfg.Key, "secret": b.cfg.Secret.Reveal()}
	}
	if b.cursor != "" {
		ext["since"] = b.cursor
	}
	b.send(object{"channel": "/meta/subscribe", "clientId": b.session, "subscription": b.name, "ext": ext})
}

// send sends a message. If that fails the connection is broken, and OnClose is told.
func (b *bayeux) send(m object) {
	if err := b.socket.WriteMessage(gws.OpcodeText, marshal(m)); err != nil {
		b.end(err)
	}
}

// end ends the connection, if it has not ended yet.
func (b *bayeux) end(why error) {
	if b.err == nil {
		b.err = why
	}
	_ = b.socket.NetConn().Close() // ends ReadLoop
}

// alive says that the connection is not silent.
func (b *bayeux) alive() {
	if err := b.socket.SetDeadline(time.Now().Add(silence)); err != nil {
		b.end(err)
	}
}

// OnMessage implements gws.Event.
func (b *bayeux) OnMessage(_ *gws.Conn, frame *gws.Message) {
	b.alive()
	var replies []reply
	err := json.Unmarshal(frame.Bytes(), &replies)
	if e := frame.Close(); err == nil {
		err = e
	}
	if err != nil {
		b.end(fmt.Errorf("a frame that is none of Bayeux: %w", err))
		return
	}
	for _, r := range replies {
		if r.Successful == nil {
			if r.Channel == b.name {
				b.cursor = r.ID
				b.received(r.Data)
			}
			continue
		}
		b.answered(r)
	}
}

// answered goes on after an answer.
func (b *bayeux) answered(r reply) {
	wait := time.Duration(r.Advice.Interval) * time.Millisecond
	switch {
	case !*r.Successful:
		b.refused(r, wait)
	case r.Channel == "/meta/handshake":
		b.session = r.ClientID
		b.connect()
		b.subscribe()
	case r.Channel == "/meta/subscribe":
		if b.cursor == "" {
			b.cursor = r.Ext.Cursor
		}
		b.subscribed = true
		b.attached()
	case r.Channel == "/meta/connect" && wait > 0: // the node is going down
		b.wait = wait
		b.end(errors.New("sent away by the server"))
	case r.Channel == "/meta/connect":
		if b.subscribed {
			b.attached()
		}
		b.connect()
	}
}

// refused ends the connection after a refusal. A refused subscription is final, unless the session or the server is the reason.
func (b *bayeux) refused(r reply, wait time.Duration) {
	b.wait = wait
	final := r.Channel == "/meta/subscribe" && !strings.HasPrefix(r.Error, "401:") && !strings.HasPrefix(r.Error, "5")
	if r.Advice.Reconnect == "handshake" || strings.HasPrefix(r.Error, "401:") {
		b.session = ""
	}
	if final {
		b.end(refusedError("subscribe to " + b.name + ": " + r.Error))
		return
	}
	b.end(errors.New(r.Channel + ": " + r.Error))
}

// OnPing implements gws.Event. What the ping carries is how the server knows what has arrived.
func (b *bayeux) OnPing(socket *gws.Conn, text []byte) {
	b.alive()
	if err := socket.WritePong(text); err != nil {
		b.end(err)
	}
}

// OnClose implements gws.Event.
func (b *bayeux) OnClose(_ *gws.Conn, err error) { b.end(err) }
