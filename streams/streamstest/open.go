package streamstest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
)

// Node is running streams whose deliveries are kept for a test to look at.
type Node struct {
	*streams.Streams
	t    testing.TB
	stop func()

	mu       sync.Mutex
	changed  chan struct{} // closed and made anew whenever something below changes
	messages map[pandapush.AppID][]pandapush.Message
	gaps     []Gap
	notices  []streams.Notice
	mails    []pandapush.Mail
}

// Gap is one call of Handlers.Gap.
type Gap struct {
	App      pandapush.AppID
	From, To pandapush.Cursor
}

// Open opens and runs streams until the test ends. A zero Log goes to the test's output.
func Open(tb testing.TB, cfg streams.Config) *Node {
	tb.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(tb.Output(), nil))
	}
	s, err := streams.Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	n := &Node{Streams: s, t: tb, changed: make(chan struct{}), messages: make(map[pandapush.AppID][]pandapush.Message)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, streams.Handlers{
			Deliver: func(app pandapush.AppID, entries []pandapush.Message) {
				n.change(func() { n.messages[app] = append(n.messages[app], entries...) })
			},
			Gap: func(app pandapush.AppID, from, to pandapush.Cursor) {
				n.change(func() { n.gaps = append(n.gaps, Gap{app, from, to}) })
			},
			Notice: func(notice streams.Notice) { n.change(func() { n.notices = append(n.notices, notice) }) },
			Mail:   func(mail pandapush.Mail) { n.change(func() { n.mails = append(n.mails, mail) }) },
		})
	}()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, s.Close()); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(n.stop)
	return n
}

// Stop ends Run and closes the streams before the test ends.
func (n *Node) Stop() { n.stop() }

func (n *Node) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	close(n.changed)
	n.changed = make(chan struct{})
}

// await waits until ok, which is called with n.mu held, or fails the test.
func (n *Node) await(what string, ok func() bool) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		n.mu.Lock()
		done, changed := ok(), n.changed
		n.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			n.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Await waits until app's message at c has been delivered, and returns all of app's so far.
func (n *Node) Await(app pandapush.AppID, c pandapush.Cursor) (all []pandapush.Message) {
	n.t.Helper()
	n.await("the message "+c.String(), func() bool {
		all = slices.Clone(n.messages[app])
		return slices.ContainsFunc(all, func(m pandapush.Message) bool { return m.Cursor == c })
	})
	return all
}

// AwaitGap waits for a gap of app and returns the first.
func (n *Node) AwaitGap(app pandapush.AppID) (gap Gap) {
	n.t.Helper()
	n.await("a gap", func() bool {
		i := slices.IndexFunc(n.gaps, func(g Gap) bool { return g.App == app })
		if i >= 0 {
			gap = n.gaps[i]
		}
		return i >= 0
	})
	return gap
}

// AwaitMark waits for the mark of a loss in app's stream, and returns it.
func (n *Node) AwaitMark(app pandapush.AppID) (mark pandapush.Message) {
	n.t.Helper()
	n.await("the mark of a loss", func() bool {
		for _, m := range n.messages[app] {
			if _, _, ok := m.Gap(); ok {
				mark = m
				return true
			}
		}
		return false
	})
	return mark
}

// AwaitNotice waits until notice has come.
func (n *Node) AwaitNotice(notice streams.Notice) {
	n.t.Helper()
	n.await("a notice", func() bool { return slices.Contains(n.notices, notice) })
}

// AwaitMails waits until so many mails have come, and returns them.
func (n *Node) AwaitMails(count int) (all []pandapush.Mail) {
	n.t.Helper()
	n.await("mail", func() bool {
		all = slices.Clone(n.mails)
		return len(all) >= count
	})
	return all
}

// Delivered returns what has been delivered for app so far.
func (n *Node) Delivered(app pandapush.AppID) []pandapush.Message {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.messages[app])
}

// Gaps returns the gaps so far.
func (n *Node) Gaps() []Gap {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.gaps)
}

// Send appends data to channel, and fails the test if that does not work.
func (n *Node) Send(channel, data string) pandapush.Cursor {
	n.t.Helper()
	cursor, err := n.Append(n.t.Context(), Message(n.t, channel, data))
	if err != nil {
		n.t.Fatal(err)
	}
	return cursor
}

// MustJoin joins app, and fails the test if that does not work.
func (n *Node) MustJoin(app pandapush.AppID) pandapush.Cursor {
	n.t.Helper()
	cursor, err := n.Join(n.t.Context(), app)
	if err != nil {
		n.t.Fatal(err)
	}
	return cursor
}

// Message makes a message, and fails the test if channel is not valid.
func Message(tb testing.TB, channel, data string) pandapush.Message {
	tb.Helper()
	c, err := pandapush.ParseChannel(channel)
	if err != nil {
		tb.Fatalf("channel %q: %v", channel, err)
	}
	return pandapush.Message{Channel: c, Data: []byte(data)}
}
