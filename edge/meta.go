package edge

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// Occupancy knows which channels of an application have subscribers on any node, while somebody watches. All methods are
// safe for concurrent use. Errors wrap pandapush.ErrUnavailable when Redis can't be reached.
type Occupancy interface {
	// WatchChannels has all nodes report the channels of app for ttl, and with announce each change told by a notice. It
	// returns how many channels are in use, and how many members the rooms have.
	WatchChannels(ctx context.Context, app pandapush.AppID, announce bool, ttl time.Duration) (channels, members int64, err error)
	// WatchedApps returns the applications that any node has watched.
	WatchedApps(ctx context.Context) ([]pandapush.AppID, error)
	// ReportChannels says that channels have subscribers on this node, for ttl. It is to be called without any, too.
	ReportChannels(ctx context.Context, app pandapush.AppID, channels []string, ttl time.Duration) error
	// OccupiedChannels returns the channels that are in use, and when that was so.
	OccupiedChannels(ctx context.Context, app pandapush.AppID) ([]string, pandapush.Cursor, error)
}

const (
	// metaInterval is how soon a channel's first subscriber is told of.
	metaInterval = time.Second
	// occupiedFor is how long a channel stays in use without another word: longer than a poll takes to come back, and a
	// session to move to another node. reportEvery is how often the word is given.
	occupiedFor = 10 * time.Second
	reportEvery = 3 * time.Second
	// watchedFor is how long an application stays watched without another word, which is given every watchEvery.
	watchedFor = 15 * time.Second
	watchEvery = 5 * time.Second
	// maxReported bounds the channels of an application that a node reports.
	maxReported = 10_000
)

// meta is what a node knows of the applications that are watched. Its fields are owned by watchMeta's goroutine.
type meta struct {
	watched  map[pandapush.AppID]time.Time            // by listeners of this node: when that was last said
	reported map[pandapush.AppID]map[string]time.Time // when each channel was
}

// watchMeta looks after the meta channels until ctx ends: it says which applications somebody on this node listens for, and
// reports the channels of those that somebody on any node does. While nobody listens that is one question a second.
func (e *Server) watchMeta(ctx context.Context) error {
	m := meta{watched: map[pandapush.AppID]time.Time{}, reported: map[pandapush.AppID]map[string]time.Time{}}
	ticker := time.NewTicker(metaInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := e.tellMeta(ctx, &m); err != nil {
			e.cfg.Log.Debug("channels in use not reported", "error", err) // while Redis is away; its reader has said so
		}
	}
}

// tellMeta does one round of watchMeta.
func (e *Server) tellMeta(ctx context.Context, m *meta) error {
	now := e.cfg.Now()
	listened := e.hub.listened()
	for app, what := range listened {
		if now.Sub(m.watched[app]) < watchEvery {
			continue
		}
		if _, _, err := e.cfg.Occupancy.WatchChannels(ctx, app, what.channels, watchedFor); err != nil {
			return err
		}
		m.watched[app] = now
	}
	maps.DeleteFunc(m.watched, func(app pandapush.AppID, _ time.Time) bool { _, ok := listened[app]; return !ok })

	apps, err := e.cfg.Occupancy.WatchedApps(ctx)
	if err != nil {
		return err
	}
	maps.DeleteFunc(m.reported, func(app pandapush.AppID, _ map[string]time.Time) bool { return !slices.Contains(apps, app) })
	for _, app := range apps {
		if err := e.report(ctx, m, app, now); err != nil {
			return err
		}
	}
	return nil
}

// report reports those channels of an application that have not been for a while.
func (e *Server) report(ctx context.Context, m *meta, app pandapush.AppID, now time.Time) error {
	t := e.hub.tenant(app)
	if t == nil {
		return nil
	}
	before, after := m.reported[app], map[string]time.Time{}
	var due []string
	for _, channel := range t.channels() {
		at, ok := before[channel]
		if !ok || now.Sub(at) >= reportEvery {
			due, at = append(due, channel), now
		}
		after[channel] = at
	}
	if err := e.cfg.Occupancy.ReportChannels(ctx, app, due, occupiedFor); err != nil {
		return err
	}
	m.reported[app] = after
	return nil
}

// listens says what somebody listens for: the statistics of an application, or which of its channels are in use.
type listens struct{ statistics, channels bool }

// listened returns the applications whose meta channels somebody on this node listens to.
func (h *hub) listened() map[pandapush.AppID]listens {
	h.mu.RLock()
	defer h.mu.RUnlock()
	found := map[pandapush.AppID]listens{}
	for app, t := range h.tenants {
		t.mu.Lock()
		what := listens{t.heardLocked(pandapush.StatisticsChannel(app)), t.heardLocked(pandapush.ChannelsChannel(app))}
		t.mu.Unlock()
		if what != (listens{}) {
			found[app] = what
		}
	}
	return found
}

// heardLocked reports whether any session gets what is sent to a channel.
func (t *tenant) heardLocked(channel pandapush.Channel) (heard bool) {
	t.subs.Match(channel.String(), func(sessions []*session) { heard = heard || len(sessions) > 0 })
	return heard
}

// subscribersLocked returns the sessions that get what is sent to a channel, each once.
func (t *tenant) subscribersLocked(channel pandapush.Channel) map[*session]bool {
	var all map[*session]bool
	t.subs.Match(channel.String(), func(sessions []*session) {
		for _, s := range sessions {
			if all == nil {
				all = map[*session]bool{}
			}
			all[s] = true
		}
	})
	return all
}

// channels returns the channels that sessions of this node subscribe to by name, but for the meta channels.
func (t *tenant) channels() (list []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs.Channels(func(name string) {
		if channel, err := pandapush.ParseChannel(name); err == nil && channel.Kind() != pandapush.Meta && len(list) < maxReported {
			list = append(list, name)
		}
	})
	return list
}

// lookAtChannels finds out which channels are in use, for those of starts whose pattern matches the channel where changes of
// that are announced.
func (x *exchange) lookAtChannels(starts []bayeux.Start) (err error) {
	for i := range starts {
		if starts[i].Channels, err = x.server.occupied(x.ctx, starts[i].Pattern); err != nil {
			return err
		}
		if starts[i].Channels != nil && !starts[i].Since {
			starts[i].Cursor = starts[i].Channels.Cursor
		}
	}
	return nil
}

// occupied returns which channels are in use, as far as that is known now, if pattern matches the channel where changes of
// that are announced; else nil. Other nodes may only now begin to report theirs, and those are announced.
func (e *Server) occupied(ctx context.Context, pattern pandapush.Pattern) (*pandapush.Occupied, error) {
	app := pattern.App()
	if !pattern.Matches(pandapush.ChannelsChannel(app)) {
		return nil, nil //nolint:nilnil // there is nothing to be told, which is no error
	}
	if _, _, err := e.cfg.Occupancy.WatchChannels(ctx, app, true, watchedFor); err != nil {
		return nil, err
	}
	if t := e.hub.tenant(app); t != nil {
		if err := e.cfg.Occupancy.ReportChannels(ctx, app, t.channels(), occupiedFor); err != nil {
			return nil, err
		}
	}
	channels, cursor, err := e.cfg.Occupancy.OccupiedChannels(ctx, app)
	return &pandapush.Occupied{Channels: channels, Cursor: cursor}, err
}

// tellChannels adds to the replies, behind the one to a subscribe, which channels are in use: a message like the notices
// that follow it.
func (x *exchange) tellChannels(starts []bayeux.Start) {
	for _, start := range starts {
		if start.Channels != nil {
			x.begin()
			x.reply = appendOccupied(x.reply, start.Pattern.App(), start.Channels)
		}
	}
}

// appendOccupied appends which channels are in use as a notice.
func appendOccupied(dst []byte, app pandapush.AppID, occupied *pandapush.Occupied) []byte {
	data := []byte(`{"occupied":[`)
	for i, channel := range occupied.Channels { // whose names are valid, and need no escapes
		if i > 0 {
			data = append(data, ',')
		}
		data = strconv.AppendQuote(data, channel)
	}
	return bayeux.AppendNotice(dst, pandapush.ChannelsChannel(app), append(data, `]}`...), occupied.Cursor)
}

// statistics is what is told of an application, in the shape of the Node version and its names, with some more.
type statistics struct {
	Source string `json:"source"`
	Stats  struct {
		Connections   int64   `json:"connections"`
		Sessions      int64   `json:"sessions"`
		Clients       int64   `json:"clients"` // the old name of sessions
		Subscriptions int64   `json:"subscriptions"`
		Channels      int64   `json:"channels"`
		Presence      int64   `json:"presence"`
		Publishes     float64 `json:"publishes"`
		Deliveries    float64 `json:"deliveries"`
	} `json:"stats"`
}

// TellStatistics tells the numbers of each application, which of returns, to those on this node who listen for them. It is to
// be called every few seconds. Nothing of it is kept: whoever is not connected at the moment hears the next.
func (e *Server) TellStatistics(ctx context.Context, of func(pandapush.AppID) pandapush.Statistics) {
	for app, what := range e.hub.listened() {
		if !what.statistics {
			continue
		}
		numbers := of(app)
		channels, members, err := e.cfg.Occupancy.WatchChannels(ctx, app, what.channels, watchedFor)
		if err != nil {
			e.cfg.Log.Debug("statistics not told", "error", err) // while Redis is away; its reader has said so
			continue
		}
		numbers.Channels, numbers.Members = channels, members
		e.tellStatistics(app, numbers)
	}
}

func (e *Server) tellStatistics(app pandapush.AppID, numbers pandapush.Statistics) {
	t := e.hub.tenant(app)
	if t == nil {
		return
	}
	told := statistics{Source: "cluster"}
	told.Stats.Connections, told.Stats.Sessions, told.Stats.Clients = numbers.Sessions, numbers.Sessions, numbers.Sessions
	told.Stats.Subscriptions, told.Stats.Channels, told.Stats.Presence = numbers.Subscriptions, numbers.Channels, numbers.Members
	told.Stats.Publishes, told.Stats.Deliveries = numbers.Published, numbers.Delivered
	data, err := json.Marshal(told)
	if err != nil {
		panic(err) // numbers always encode
	}
	channel := pandapush.StatisticsChannel(app)
	d := liveDelivery(channel, data)
	t.mu.Lock()
	listeners := t.subscribersLocked(channel)
	t.mu.Unlock()
	for s := range listeners {
		s.tell(d)
	}
}

// liveDelivery returns a message of the server's own that has no place in a stream, and so no id.
func liveDelivery(channel pandapush.Channel, data []byte) *delivery {
	wire := bayeux.AppendLive(nil, channel, data)
	event := append(append(append([]byte(nil), eventData...), wire...), eventTail...)
	return &delivery{wire: wire, event: event}
}
