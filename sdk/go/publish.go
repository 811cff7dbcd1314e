package pandapush

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// PublishOptions say more about a publish.
type PublishOptions struct {
	// IdempotencyKey names the publish: another one under the same key, within the server's window, answers as the first did
	// and stores nothing. 1 to 255 printable ASCII characters; a random one by default, which covers the attempts of one call.
	IdempotencyKey string
	// IfMatch is a cursor: the message is stored only if nothing newer is on the channel, else the Error has Kind "changed".
	IfMatch string
	// TTL is how long those who read the past get the message; at least 1 s. Zero is as long as the application keeps it.
	TTL time.Duration
	// Exclude is the client id of a session that does not get the message.
	Exclude string
}

// Publish stores data, which must encode to a JSON object, on a channel, and returns the message's id, a cursor. It tries
// again when it gets no answer, and the message is stored once all the same. After an error that is no *Error it is not known
// whether it is stored: publish it again under the same IdempotencyKey to find out. options may be nil.
func (c *Client) Publish(ctx context.Context, channel string, data any, options *PublishOptions) (string, error) {
	if options == nil {
		options = new(PublishOptions)
	}
	r, err := publishRequest(channel, data, options)
	if err != nil {
		return "", fmt.Errorf("publish: %w", err)
	}
	var answer struct{ ID string }
	if err := c.call(ctx, r, &answer); err != nil {
		return "", fmt.Errorf("publish on %s: %w", channel, err)
	}
	return answer.ID, nil
}

func publishRequest(channel string, data any, options *PublishOptions) (request, error) {
	if err := checkChannel(channel); err != nil {
		return request{}, err
	}
	body, err := json.Marshal(data)
	if err != nil {
		return request{}, fmt.Errorf("encode data: %w", err)
	}
	r := request{method: http.MethodPost, target: "/channel" + channel, body: body, header: once(options.IdempotencyKey)}
	if options.IfMatch != "" {
		r.header["If-Match"] = options.IfMatch
	}
	query := make(url.Values)
	if options.TTL != 0 {
		query.Set("ttl", seconds(options.TTL))
	}
	if options.Exclude != "" {
		query.Set("exclude", options.Exclude)
	}
	if len(query) > 0 {
		r.target += "?" + query.Encode()
	}
	return r, nil
}

// BatchMessage is one message of a batch, for one channel or for several.
type BatchMessage struct {
	Channel  string
	Channels []string      // instead of Channel
	Data     any           // must encode to a JSON object
	TTL      time.Duration // as for a publish
	Exclude  string        // as for a publish
}

// MarshalJSON implements json.Marshaler.
func (m BatchMessage) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Channel  string   `json:"channel,omitempty"`
		Channels []string `json:"channels,omitempty"`
		Data     any      `json:"data"`
		TTL      string   `json:"ttl,omitempty"`
		Exclude  string   `json:"exclude,omitempty"`
	}{m.Channel, m.Channels, m.Data, seconds(m.TTL), m.Exclude})
}

// BatchOptions say more about a batch.
type BatchOptions struct {
	IdempotencyKey string // as for a publish, for the whole batch
}

// Result is what became of one message of a batch.
type Result struct {
	Channel string `json:"channel"`
	ID      string `json:"id"`
}

// Batch stores up to 1,000 messages for channels of one application in one request: all of them or none, and once, as with
// Publish. It returns a Result for each message and channel, in their order. options may be nil.
func (c *Client) Batch(ctx context.Context, messages []BatchMessage, options *BatchOptions) ([]Result, error) {
	if options == nil {
		options = new(BatchOptions)
	}
	if len(messages) == 0 {
		return nil, errors.New("batch: it is empty")
	}
	channel := messages[0].Channel
	if channel == "" && len(messages[0].Channels) > 0 {
		channel = messages[0].Channels[0]
	}
	if err := checkChannel(channel); err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	body, err := json.Marshal(messages)
	if err != nil {
		return nil, fmt.Errorf("batch: encode: %w", err)
	}
	app := strings.Split(channel, "/")[1]
	var answer struct{ Results []Result }
	r := request{method: http.MethodPost, target: "/batch/" + app, body: body, header: once(options.IdempotencyKey)}
	if err := c.call(ctx, r, &answer); err != nil {
		return nil, fmt.Errorf("batch for %s: %w", app, err)
	}
	return answer.Results, nil
}

// seconds is a time as the server reads it; "" for zero.
func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

// once returns the header that names a request.
func once(key string) map[string]string {
	if key == "" {
		key = rand.Text()
	}
	return map[string]string{"Idempotency-Key": key}
}
