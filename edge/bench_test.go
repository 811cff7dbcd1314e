package edge

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// countingClient counts the messages that it gets.
type countingClient struct {
	gws.BuiltinEventHandler
	got func(messages int)
}

func (c countingClient) OnMessage(_ *gws.Conn, m *gws.Message) {
	c.got(bytes.Count(m.Bytes(), []byte(`{"channel":"/app/`)))
	_ = m.Close()
}

// attachMany connects sockets that all subscribe to channel.
func attachMany(b *testing.B, n *node, sockets int, channel string, got func(int)) {
	b.Helper()
	var reading sync.WaitGroup
	b.Cleanup(reading.Wait) // runs last: when the connections are closed
	for range sockets {
		id := n.handshake(b)
		n.subscribe(b, id, channel)
		conn, _, err := gws.NewClient(countingClient{got: got}, &gws.ClientOption{Addr: "ws" + n.url[len("http"):] + "/push"}) //nolint:bodyclose // the connection is the body
		if err != nil {
			b.Fatal(err)
		}
		reading.Go(conn.ReadLoop)
		b.Cleanup(func() { _ = conn.NetConn().Close() })
		if err := conn.WriteString(fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket"}`, id)); err != nil {
			b.Fatal(err)
		}
		for attached := false; !attached; {
			if s, ok := n.sessions.get(id); ok {
				s.mu.Lock()
				attached = s.held != nil && s.behindLocked() == nil
				s.mu.Unlock()
			}
			<-time.After(time.Millisecond) // there is no signal to wait for
		}
	}
}

// BenchmarkFanOut delivers to 1,000 real sockets over loopback, the clients in the same process, so many messages at a
// time; an operation is one message delivered to all of them.
func BenchmarkFanOut(b *testing.B) {
	const sockets = 1000
	for _, burst := range []int{1, 10} {
		b.Run(fmt.Sprintf("sockets=%d/burst=%d", sockets, burst), func(b *testing.B) {
			n := startNode(b, nil)
			var pending sync.WaitGroup
			attachMany(b, n, sockets, "/app/public/a", func(messages int) { pending.Add(-messages) })
			channel, err := pandapush.ParseChannel("/app/public/a")
			if err != nil {
				b.Fatal(err)
			}
			data := bytes.Repeat([]byte{'1'}, 128)
			cursor, err := n.log.Tail(b.Context(), "app")
			if err != nil {
				b.Fatal(err)
			}
			batch := make([]pandapush.Message, burst)
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch {
					cursor.Position.Seq++
					batch[i] = pandapush.Message{Channel: channel, Data: data, Cursor: cursor}
				}
				pending.Add(sockets * burst)
				n.Deliver("app", batch)
				pending.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*sockets*burst), "ns/delivery")
		})
	}
}

// BenchmarkQueue is the part of it that is done under the application's lock: match and queue, without writing.
func BenchmarkQueue(b *testing.B) {
	for _, sessions := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			n := startNode(b, func(c *Config) { c.Limits.QueueMessages = 1 << 40 })
			pattern, err := pandapush.ParsePattern("/app/public/*")
			if err != nil {
				b.Fatal(err)
			}
			cursor, err := n.log.Tail(b.Context(), "app")
			if err != nil {
				b.Fatal(err)
			}
			stored := pandapush.Session{
				Subscriptions: map[string]pandapush.Subscription{pattern.String(): {}},
				Cursors:       map[pandapush.AppID]pandapush.Cursor{"app": cursor},
			}
			all := make([]*session, sessions)
			for i := range all {
				all[i] = n.revive(bayeux.NewClientID(), stored)
				n.start(all[i])
				all[i].feeds[0].level = true
			}
			channel, err := pandapush.ParseChannel("/app/public/a")
			if err != nil {
				b.Fatal(err)
			}
			entries := []pandapush.Message{{Channel: channel, Data: []byte(`{"a":1}`)}}
			b.ReportAllocs()
			for b.Loop() {
				cursor.Position.Seq++
				entries[0].Cursor = cursor
				n.Deliver("app", entries)
				for _, s := range all { // as a worker would
					s.queue, s.queued = s.queue[:0], 0
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*sessions), "ns/session")
		})
	}
}
