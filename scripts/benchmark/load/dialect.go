package load

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Dialect is how a kind of server is spoken to. It holds nothing of a client. Every server is given messages of the same
// form, so what comes over a socket is counted without regard to the dialect.
type Dialect interface {
	// Path returns where the WebSocket is that a client of the channel asks for.
	Path(channel string) string
	// Greet begins the conversation, when the socket is open.
	Greet(c *Client)
	// Reply answers a frame of the server, if it has to be. It sees each, so it should soon see that it need not.
	Reply(c *Client, frame []byte)
	// Publish has the client publish a body over its socket.
	Publish(c *Client, body []byte)
	// Request returns what publishes a body over HTTP.
	Request(channel string, body []byte) Request
}

// Request is one of HTTP, by POST, with a body of JSON.
type Request struct {
	Path   string
	Header string // whole lines
	Body   []byte
}

// Bayeux is spoken by Pandapush and by Faye.
type Bayeux struct {
	WebSocket string // path
	Secret    string // of all applications' keys, see KeyOf; empty for Faye, which has no keys and no cursors
}

// KeyOf returns the name that the benchmark gives to an application's key.
func KeyOf(app string) string { return app + "key" }

// appOf returns the application that a channel belongs to: its first segment.
func appOf(channel string) string {
	app, _, _ := strings.Cut(channel[1:], "/")
	return app
}

// note keeps the cursor of a message, which follows its data.
func (d Bayeux) note(c *Client, rest []byte) {
	if d.Secret == "" {
		return
	}
	if at := bytes.Index(rest, idStart); at >= 0 {
		rest = rest[at+len(idStart):]
		c.length = copy(c.cursor[:], rest[:max(0, bytes.IndexByte(rest, '"'))])
	}
}

// Path is part of Dialect.
func (d Bayeux) Path(string) string { return d.WebSocket }

// Greet is part of Dialect. A client that has an id goes on with it, and says where it is in the stream, as client.js does.
func (d Bayeux) Greet(c *Client) {
	if c.id != "" {
		m := fmt.Appendf(nil, `[{"channel":"/meta/connect","clientId":"%s","connectionType":"websocket","id":"2","advice":{"timeout":0}`, c.id)
		if c.length > 0 {
			m = fmt.Appendf(m, `,"ext":{"since":{"%s":"%s"}}`, appOf(c.channel), c.cursor[:c.length])
		}
		c.conn.send(opText, append(m, "}]"...))
		return
	}
	c.conn.send(opText, []byte(`[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"],"id":"1"}]`))
}

func (d Bayeux) connect(c *Client) {
	c.conn.send(opText, fmt.Appendf(nil, `[{"channel":"/meta/connect","clientId":"%s","connectionType":"websocket","id":"2"}]`, c.id))
}

// Reply is part of Dialect. A client's first connect goes with its subscribe: Faye answers it at once, Pandapush holds it.
func (d Bayeux) Reply(c *Client, frame []byte) {
	if !bytes.Contains(frame, []byte(`"successful":`)) {
		return
	}
	var replies []struct {
		Channel, ClientID string
		Successful        *bool
	}
	if err := json.Unmarshal(frame, &replies); err != nil {
		c.Failed++
		return
	}
	for _, r := range replies {
		if r.Successful == nil { // a message in the same frame
			continue
		}
		if !*r.Successful {
			c.Failed++
			continue
		}
		switch r.Channel {
		case "/meta/handshake":
			c.id = r.ClientID
			d.connect(c)
			c.conn.send(opText, fmt.Appendf(nil, `[{"channel":"/meta/subscribe","clientId":"%s","subscription":["%s"],"id":"3"}]`,
				c.id, strings.Join(c.channels(), `","`)))
		case "/meta/subscribe":
			c.missing = 0
		case "/meta/connect":
			if c.back {
				c.missing = 0
			}
			d.connect(c)
		}
	}
}

// Publish is part of Dialect. As clients do, it gives each message an id, and Pandapush a token.
func (d Bayeux) Publish(c *Client, body []byte) {
	m := fmt.Appendf(nil, `[{"channel":"%s","clientId":"%s","id":"%x","data":%s`, c.channel, c.id, c.last+1, body)
	if d.Secret != "" {
		if c.token == "" {
			c.token = d.sign(c.channel)
		}
		m = fmt.Appendf(m, `,"ext":{"auth":{"token":"%s"}}`, c.token)
	}
	c.conn.send(opText, append(m, "}]"...))
}

// sign makes a token that lets its bearer publish to a channel: a JSON Web Token (RFC 7519), signed with HS256.
func (d Bayeux) sign(channel string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil, `{"keyId":"%s","channel":"%s","pub":true}`, KeyOf(appOf(channel)), channel))
	signature := hmac.New(sha256.New, []byte(d.Secret))
	signature.Write([]byte(text))
	return text + "." + encode(signature.Sum(nil))
}

// Request is part of Dialect.
func (d Bayeux) Request(channel string, body []byte) Request {
	if d.Secret == "" {
		return Request{Path: d.WebSocket, Body: fmt.Appendf(nil, `[{"channel":"%s","data":%s}]`, channel, body)}
	}
	return Request{
		Path: "/channel" + channel, Body: body,
		Header: "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(KeyOf(appOf(channel))+":"+d.Secret)) + "\r\n",
	}
}

// Centrifuge is the JSON protocol of Centrifugo and of its engine. Frames may hold several replies, one a line. A client
// that comes back says from where on it wants to have the messages: their offsets are their numbers, since nobody else
// publishes.
type Centrifuge struct {
	Key     string // for the HTTP API, if it wants one
	Recover bool   // the channels have history
}

// Path is part of Dialect.
func (d Centrifuge) Path(string) string { return "/connection/websocket" }

// Greet is part of Dialect.
func (d Centrifuge) Greet(c *Client) { c.conn.send(opText, []byte(`{"id":1,"connect":{}}`)) }

// Reply is part of Dialect.
func (d Centrifuge) Reply(c *Client, frame []byte) {
	for line := range bytes.Lines(frame) {
		line = bytes.TrimSpace(line)
		switch {
		case bytes.Equal(line, []byte("{}")): // a ping
			c.conn.send(opText, line)
		case bytes.HasPrefix(line, []byte(`{"push":`)) || len(line) == 0:
		case bytes.Contains(line, []byte(`"connect":{`)):
			d.subscribe(c)
		case bytes.Contains(line, []byte(`"subscribe":{`)):
			if _, rest, ok := bytes.Cut(line, []byte(`"epoch":"`)); ok {
				epoch, _, _ := bytes.Cut(rest, []byte(`"`))
				c.id = string(epoch)
			}
			c.missing--
		case bytes.Contains(line, []byte(`"error":{`)):
			c.Failed++
		}
	}
}

func (d Centrifuge) subscribe(c *Client) {
	for i, channel := range c.channels() {
		since := ""
		if d.Recover && c.id != "" {
			since = fmt.Sprintf(`,"recover":true,"epoch":"%s","offset":%d`, c.id, c.last)
		}
		c.conn.send(opText, fmt.Appendf(nil, `{"id":%d,"subscribe":{"channel":"%s"%s}}`, i+2, channel, since))
	}
}

// Publish is part of Dialect.
func (d Centrifuge) Publish(c *Client, body []byte) {
	c.conn.send(opText, fmt.Appendf(nil, `{"id":1000000,"publish":{"channel":"%s","data":%s}}`, c.channel, body))
}

// Request is part of Dialect.
func (d Centrifuge) Request(channel string, body []byte) Request {
	return Request{
		Path: "/api/publish", Header: "X-API-Key: " + d.Key + "\r\n",
		Body: fmt.Appendf(nil, `{"channel":"%s","data":%s}`, channel, body),
	}
}

// SocketIO is version 5 of Socket.IO's protocol over version 4 of Engine.IO's, with the events of peers/node/socketio.js.
type SocketIO struct{}

// Path is part of Dialect.
func (SocketIO) Path(string) string { return "/socket.io/?EIO=4&transport=websocket" }

// Greet is part of Dialect: the server speaks first.
func (SocketIO) Greet(*Client) {}

// Reply is part of Dialect.
func (SocketIO) Reply(c *Client, frame []byte) {
	switch {
	case bytes.HasPrefix(frame, []byte("0")): // Engine.IO is open
		c.conn.send(opText, []byte("40"))
	case bytes.HasPrefix(frame, []byte("40")):
		for i, channel := range c.channels() {
			c.conn.send(opText, fmt.Appendf(nil, `42%d["join","%s"]`, i, channel))
		}
	case bytes.HasPrefix(frame, []byte("43")):
		c.missing--
	case bytes.Equal(frame, []byte("2")): // a ping
		c.conn.send(opText, []byte("3"))
	case bytes.HasPrefix(frame, []byte("44")):
		c.Failed++
	}
}

// Publish is part of Dialect.
func (SocketIO) Publish(c *Client, body []byte) {
	c.conn.send(opText, fmt.Appendf(nil, `42["publish","%s",%s]`, c.channel, body))
}

// Request is part of Dialect.
func (SocketIO) Request(channel string, body []byte) Request {
	return Request{Path: "/publish?channel=" + channel, Body: body}
}

// Plain is what the floor speaks: a socket belongs to the channel that its path names, and a frame is a message.
type Plain struct{}

// Path is part of Dialect.
func (Plain) Path(channel string) string { return "/push?channel=" + channel }

// Greet is part of Dialect.
func (Plain) Greet(c *Client) { c.missing-- }

// Reply is part of Dialect: there is nothing to answer.
func (Plain) Reply(*Client, []byte) {}

// Publish is part of Dialect.
func (Plain) Publish(c *Client, body []byte) { c.conn.send(opText, body) }

// Request is part of Dialect.
func (Plain) Request(channel string, body []byte) Request {
	return Request{Path: "/publish?channel=" + channel, Body: body}
}

// message returns what is published: its number on the channel, the moment at which it was due, in nanoseconds of the
// loop's clock, and padding up to size bytes.
func message(number, due int64, size int) []byte {
	b := append(make([]byte, 0, size), messageStart...)
	b = strconv.AppendInt(b, number, 10)
	b = append(b, messageDue...)
	b = strconv.AppendInt(b, due, 10)
	b = append(b, `,"pad":"`...)
	b = append(b, bytes.Repeat([]byte{'x'}, max(0, size-len(b)-2))...)
	return append(b, `"}`...)
}

var (
	messageStart = []byte(`{"n":`)
	messageDue   = []byte(`,"t":`)
)

// nextMessage finds the first message in a frame, whatever is around it, and returns what follows it.
func nextMessage(frame []byte) (number, due int64, rest []byte, ok bool) {
	at := bytes.Index(frame, messageStart)
	if at < 0 {
		return 0, 0, nil, false
	}
	number, frame = digits(frame[at+len(messageStart):])
	if !bytes.HasPrefix(frame, messageDue) {
		return 0, 0, nil, false
	}
	due, frame = digits(frame[len(messageDue):])
	return number, due, frame, true
}

func digits(b []byte) (n int64, rest []byte) {
	for len(b) > 0 && '0' <= b[0] && b[0] <= '9' {
		n, b = 10*n+int64(b[0]-'0'), b[1:]
	}
	return n, b
}
