package load

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies counts how long messages took, from the moment at which each was due until it had come: a publisher that is held
// up makes them longer and not fewer. It belongs to the loop's goroutine.
type Latencies struct{ histogram *hdrhistogram.Histogram }

// longest is the most that a latency is recorded as.
const longest = 5 * time.Minute

// NewLatencies returns an empty one, that is exact to a percent.
func NewLatencies() *Latencies {
	return &Latencies{hdrhistogram.New(1000, int64(longest), 2)}
}

func (l *Latencies) record(d time.Duration) {
	_ = l.histogram.RecordValue(int64(max(0, min(d, longest)))) // it is in the range
}

// Reset forgets all.
func (l *Latencies) Reset() { l.histogram.Reset() }

// Quantile returns the latency that percent of the messages did not exceed.
func (l *Latencies) Quantile(percent float64) time.Duration {
	return time.Duration(l.histogram.ValueAtQuantile(percent))
}

// Client is a client of any of the servers, with one subscription or more. It counts what it gets.
type Client struct {
	Channel int // number of the first channel

	Received, Repeated, Lost int64 // messages, by number, where all of a channel come in the order of their numbers
	Failed                   int64 // refusals

	Arrived func(*Client) // called for each message, if it is set

	loop      *Loop
	conn      *conn
	dialect   Dialect
	channel   string   // the first, to which it publishes
	others    []string // it subscribes to as well
	latencies *Latencies
	id        string // what the dialect keeps of a session
	last      int64
	cursor    [cursorSize]byte // of the newest message, if the dialect has such
	length    int
	token     string // that it publishes with
	missing   int    // subscriptions not acknowledged yet
	down      bool
	back      bool // it has been connected before
}

// noter is a dialect in which a message has a cursor, among what follows its data.
type noter interface{ note(c *Client, rest []byte) }

// NewClient returns a client that subscribes to channels, of which the first has that number, once Connect is called.
// Its latencies go where all clients' of a measurement go.
func NewClient(l *Loop, d Dialect, number int, channels []string, latencies *Latencies) *Client {
	return &Client{Channel: number, loop: l, dialect: d, channel: channels[0], others: channels[1:], latencies: latencies}
}

// Connect connects to a server, for the first time or again.
func (c *Client) Connect(addr netip.AddrPort) (err error) {
	c.back = c.conn != nil
	c.missing, c.down = 1+len(c.others), false
	c.conn, err = c.loop.dial(addr, c.dialect.Path(c.channel), c, false)
	return err
}

// Ready reports whether all subscriptions are acknowledged.
func (c *Client) Ready() bool { return c.missing <= 0 && !c.down }

// Down reports whether the socket broke since Connect.
func (c *Client) Down() bool { return c.down }

// Last returns the number of the newest message.
func (c *Client) Last() int64 { return c.last }

// Close closes the socket.
func (c *Client) Close() {
	if c.conn != nil {
		c.conn.shut()
	}
}

// Publish publishes the next message over the socket, to the first channel.
func (c *Client) Publish(size int) {
	c.dialect.Publish(c, message(c.last+1, int64(c.loop.now()), size))
}

func (c *Client) channels() []string { return append([]string{c.channel}, c.others...) }

func (c *Client) opened() { c.dialect.Greet(c) }

func (c *Client) closed() { c.down = true }

func (c *Client) received(frame []byte) {
	for rest := frame; ; {
		number, due, next, ok := nextMessage(rest)
		if !ok {
			break
		}
		rest = next
		c.latencies.record(c.loop.now() - time.Duration(due))
		if n, ok := c.dialect.(noter); ok {
			n.note(c, rest)
		}
		c.count(number)
	}
	c.dialect.Reply(c, frame)
}

func (c *Client) count(number int64) {
	c.Received++
	if c.Arrived != nil {
		defer c.Arrived(c)
	}
	if number <= c.last {
		c.Repeated++
		return
	}
	c.Lost += number - c.last - 1
	c.last = number
}

// errRefused is what a publisher fails with when a server says no.
var errRefused = errors.New("the server refused")

func refusal(response []byte) error {
	return fmt.Errorf("publish: %w: %.200s", errRefused, response)
}
