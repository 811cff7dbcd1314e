package pandapush

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// Message is a message as it is delivered.
type Message struct {
	ID      string          `json:"id"` // a cursor: what came after it is had by giving it as since
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
	Notice  bool            `json:"notice"` // it is the server's own, of who joined or left
}

// Gap says that messages between two cursors may be missing.
type Gap struct {
	Reason string `json:"reason"` // "trimmed": no longer kept; "epoch" or "ahead": the server's Redis lost or restored its stream
	From   string `json:"from"`
	To     string `json:"to"`
}

// HistoryOptions say which messages are wanted: by default the newest 100, newest first.
type HistoryOptions struct {
	Since  string // what came after: a cursor, a time ago ("2m"), or a number of messages ("10")
	Until  string // nothing that came after: a cursor, or a time ago
	Limit  int    // messages at most, up to 1,000
	Oldest bool   // oldest first
}

// Page is a part of what is kept of a channel.
type Page struct {
	Messages []Message `json:"messages"`
	Cursor   string    `json:"cursor"` // where the application's stream ended: give it as Since, or as IfMatch
	Next     string    `json:"next"`   // if there may be more: give it as Until, or, with Oldest and no number in Since, as Since; else ""
	Gap      *Gap      `json:"gap"`    // not all after the cursor in Since is kept any more; nil if it is
}

// History reads back what is kept of a channel, or of all channels that a pattern matches. A page may be empty and still have
// a Next. options may be nil.
func (c *Client) History(ctx context.Context, channel string, options *HistoryOptions) (*Page, error) {
	if options == nil {
		options = new(HistoryOptions)
	}
	if err := checkChannel(channel); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	query := make(url.Values)
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("since", options.Since)
	set("until", options.Until)
	if options.Limit != 0 {
		set("limit", strconv.Itoa(options.Limit))
	}
	if options.Oldest {
		set("order", "oldest")
	}
	page := new(Page)
	r := request{method: http.MethodGet, target: "/channel" + channel + "?" + query.Encode()}
	if err := c.call(ctx, r, page); err != nil {
		return nil, fmt.Errorf("history of %s: %w", channel, err)
	}
	return page, nil
}
