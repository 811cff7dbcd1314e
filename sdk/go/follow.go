package pandapush

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxSilence is how long a stream may be silent before it counts as lost. The server writes something every 25 s by default.
	maxSilence = 75 * time.Second
	// maxReturn bounds the pause before a follower tries again, while it fails.
	maxReturn = 30 * time.Second
)

// Event is a Message, a Gap, or a Room.
type Event interface{ event() }

func (Message) event() {}
func (Gap) event()     {}
func (Room) event()    {}

// Room is who is on a presence channel that is followed. It comes when a stream begins, also anew; notices say what changes.
type Room struct {
	Channel string
	Members map[string]json.RawMessage // the presence object of each, by its id
}

// Follow returns what is published on channels and patterns, all of one application: the messages after since, a cursor, a
// time ago ("2m"), a number of messages ("10") or "" for now, and then those to come. It comes back by itself when the
// connection is lost, and goes on after the last event: every message that the server keeps is had once, in order. Where one
// may be missing there is a Gap.
//
// The sequence ends with an error, when ctx ends (its cause), when the server refuses (*Error), when it ends the stream for good
// (*Ended), or when Config.Attempts have not brought a first connection about. To go on later begin with the ID of the last Message.
func (c *Client) Follow(ctx context.Context, since string, channels ...string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f := &follower{client: c, retry: time.Second, yield: yield}
		if err := f.aim(since, channels); err != nil {
			yield(nil, fmt.Errorf("follow: %w", err))
			return
		}
		if err := f.run(ctx); err != nil {
			yield(nil, fmt.Errorf("follow %s: %w", strings.Join(channels, ", "), err))
		}
	}
}

// follower is one call of Follow.
type follower struct {
	client *Client
	yield  func(Event, error) bool
	target string

	last     string        // id of the last event
	retry    time.Duration // pause before coming back, as the server has it
	failures int           // attempts since there was a stream
	begun    bool          // there was a stream
}

// aim checks what is to be followed.
func (f *follower) aim(since string, channels []string) error {
	if len(channels) == 0 {
		return errors.New("there is no channel")
	}
	for _, name := range channels {
		if err := checkChannel(name); err != nil {
			return err
		}
	}
	query := url.Values{"channel": channels[1:]}
	if since != "" {
		query.Set("since", since)
	}
	f.target = "/channel" + channels[0] + "?" + query.Encode()
	return nil
}

// run connects again and again. It returns nil when the caller has had enough.
func (f *follower) run(ctx context.Context) error {
	for {
		done, err := f.connect(ctx)
		switch {
		case done:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !passes(err), !f.begun && f.failures >= f.client.config.Attempts:
			return err
		}
		if err := sleep(ctx, f.pause(err)); err != nil {
			return err
		}
	}
}

// pause returns how long to wait: after a stream as long as the server has said, which spreads its followers; later ever longer.
func (f *follower) pause(err error) time.Duration {
	if f.failures == 0 {
		return f.retry
	}
	wait, _ := pause(f.failures, err) // a follower waits for as long as it must
	return min(wait, maxReturn)
}

// connect reads one stream until it is lost, or until the caller has had enough.
func (f *follower) connect(ctx context.Context) (done bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(f.client.config.Timeout, cancel)
	defer silence.Stop()
	f.failures++
	r := request{method: http.MethodGet, target: f.target, header: map[string]string{"Cache-Control": "no-cache"}}
	if f.last != "" {
		r.header["Last-Event-ID"] = f.last
	}
	answer, err := f.client.send(ctx, r, "text/event-stream")
	if err != nil {
		return false, err
	}
	defer func() { _ = answer.Body.Close() }() // what is left of it is not wanted
	if err := refusal(answer); err != nil {
		return false, err
	}
	f.begun = true
	var ended error
	lost := readEvents(answer.Body, func() { silence.Reset(maxSilence) }, func(e rawEvent) bool {
		silence.Stop() // the caller may take its time
		done, ended = f.take(e)
		silence.Reset(maxSilence)
		return !done && ended == nil
	})
	switch {
	case errors.Is(lost, bufio.ErrTooLong): // and would be again
		return false, lost
	case lost != nil:
		return false, noAnswer(lost)
	}
	return done, ended
}

// refusal returns what an answer that is no event stream says.
func refusal(answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(answer.Body, maxLine))
		if err != nil {
			return noAnswer(err)
		}
		return problem(answer, body)
	}
	if kind := answer.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		return fmt.Errorf("the answer is no event stream but %q", kind)
	}
	return nil
}

// take hands an event to the caller. It returns true if that is the last that the caller wants, and an error if it is the last
// of all.
func (f *follower) take(e rawEvent) (done bool, err error) {
	f.failures = 0
	if e.retry > 0 {
		f.retry = min(e.retry, maxReturn)
	}
	if e.data != "" {
		event, err := decode(e)
		if err != nil {
			return false, err
		}
		if event != nil && !f.yield(event, nil) {
			return true, nil
		}
	}
	if e.id != "" {
		f.last = e.id
	}
	return false, nil
}

// decode returns what an event is about; nil for one of a kind that is not known, as later servers may send. The end of a
// stream is an error.
func decode(e rawEvent) (Event, error) {
	switch e.kind {
	case "", "message":
		var message struct {
			Message
			Ext struct{ Notice string }
		}
		err := e.into(&message)
		message.Notice = message.Ext.Notice != ""
		return message.Message, err
	case "gap":
		var gap Gap
		err := e.into(&gap)
		return gap, err
	case "presence":
		var room struct {
			Channel  string
			Presence struct{ Subscribe map[string]json.RawMessage }
		}
		err := e.into(&room)
		return Room{room.Channel, room.Presence.Subscribe}, err
	case "end":
		ended := new(Ended)
		if err := e.into(ended); err != nil {
			return nil, err
		}
		return nil, ended
	}
	return nil, nil
}

// into decodes the event's data.
func (e rawEvent) into(v any) error {
	if err := json.Unmarshal([]byte(e.data), v); err != nil {
		return fmt.Errorf("read event %q: %w", e.kind, err)
	}
	return nil
}
