package edge

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// However many sessions of a dead node come back together, it gets one letter, and all wait for it just once.
func TestDeadNodeIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n nodes
		var letters atomic.Int64
		start := time.Now()
		var attaching sync.WaitGroup
		for range 1000 {
			attaching.Go(func() {
				if n.mayAsk(t.Context(), "gone", time.Now) {
					letters.Add(1)
					time.Sleep(handoffPatience)
					n.silent("gone", time.Now())
				}
			})
		}
		attaching.Wait()
		if letters.Load() != 1 || time.Since(start) != handoffPatience {
			t.Errorf("%d letters in %v", letters.Load(), time.Since(start))
		}
		time.Sleep(deadFor)
		if !n.mayAsk(t.Context(), "gone", time.Now) {
			t.Error("it is never asked again")
		}
	})
}

// A node that answers is asked by each session, as soon as it has answered the first. Nobody waits for one who gave up.
func TestLivingNodeIsAskedByAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, news := range map[string]func(n *nodes){
			"answered": func(n *nodes) { n.heard("there") },
			"gave up":  func(n *nodes) { n.forget("there") },
		} {
			var n nodes
			if !n.mayAsk(t.Context(), "there", time.Now) {
				t.Fatal("the first may not ask")
			}
			var allowed atomic.Int64
			var waiting sync.WaitGroup
			for range 10 {
				waiting.Go(func() {
					if n.mayAsk(t.Context(), "there", time.Now) {
						allowed.Add(1)
					}
				})
			}
			synctest.Wait()
			if allowed.Load() != 0 {
				t.Errorf("%s: %d did not wait", name, allowed.Load())
			}
			news(&n)
			waiting.Wait()
			if allowed.Load() != 10 {
				t.Errorf("%s: %d of 10 may ask", name, allowed.Load())
			}
		}
		var n nodes
		n.mayAsk(t.Context(), "there", time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if n.mayAsk(ctx, "there", time.Now) {
			t.Error("asks for one who has gone")
		}
	})
}

// Nodes that nobody asks about any more are forgotten: each has a name of its own, and a deploy kills them all.
func TestDeadNodesAreForgotten(t *testing.T) {
	var n nodes
	start := time.Now()
	for i := range 1000 {
		n.silent(fmt.Sprint("node", i), start.Add(time.Duration(i)*deadFor))
	}
	if len(n.dead) != 1 {
		t.Errorf("%d are remembered", len(n.dead))
	}
}

// pairedRecords lets sessions be ended, and records be created, only two at a time.
type pairedRecords struct {
	Records

	pair chan struct{}
}

func (r *pairedRecords) meet() {
	select {
	case r.pair <- struct{}{}:
	case <-r.pair:
	}
}

func (r *pairedRecords) EndSession(ctx context.Context, id string) (string, bool, error) {
	r.meet()
	return r.Records.EndSession(ctx, id)
}

func (r *pairedRecords) CreateSession(ctx context.Context, id string, s pandapush.Session, ttl time.Duration) error {
	r.meet()
	return r.Records.CreateSession(ctx, id, s, ttl)
}

// Sessions that expire together are ended together, and those that Redis has lost are written together: each waits for Redis,
// and meanwhile nobody would look after the others.
func TestManyRecordsAreWrittenAtATime(t *testing.T) {
	now := newClock()
	records := &pairedRecords{pair: make(chan struct{})}
	n := startNode(t, func(c *Config) {
		records.Records = c.Records
		c.Records, c.Now = records, now.get
	})
	attach := func() string {
		id := bayeux.NewClientID()
		if err := records.Records.CreateSession(t.Context(), id, pandapush.Session{}, time.Hour); err != nil {
			t.Fatal(err)
		}
		n.dial(t).ask(fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket","advice":{"timeout":0}}`, id))
		return id
	}
	first, second := attach(), attach()
	for _, id := range []string{first, second} {
		if _, _, err := records.Records.EndSession(t.Context(), id); err != nil { // Redis loses it
			t.Fatal(err)
		}
	}
	n.touch(t.Context())
	if gone, err := n.log.TouchSessions(t.Context(), []string{first, second}, time.Hour); len(gone) > 0 || err != nil {
		t.Errorf("not written: %v, %v", gone, err)
	}
	now.add(n.ttl() + time.Hour)
	n.sweepOnce(t.Context())
	if len(n.sessions.list()) != 0 {
		t.Errorf("%d sessions are left", len(n.sessions.list()))
	}
}

// countingRecords counts what is saved.
type countingRecords struct {
	Records

	saves atomic.Int64
}

func (r *countingRecords) SaveSession(ctx context.Context, id string, s pandapush.Session, ttl time.Duration) error {
	r.saves.Add(1)
	return r.Records.SaveSession(ctx, id, s, ttl)
}

// The record of a session that is behind is written when it has got on, and not too often.
func TestExceptionsAreWrittenWhenTheyGetOn(t *testing.T) {
	now := newClock()
	records := &countingRecords{}
	n := startNode(t, func(c *Config) {
		records.Records = c.Records
		c.Records, c.Now = records, now.get
	})
	ctx := t.Context()
	cursor, err := n.log.Tail(ctx, "app")
	if err != nil {
		t.Fatal(err)
	}
	id := bayeux.NewClientID()
	stored := pandapush.Session{
		Subscriptions: map[string]pandapush.Subscription{"/app/public/a": {}},
		Cursors:       map[pandapush.AppID]pandapush.Cursor{"app": cursor},
	}
	if err := n.log.CreateSession(ctx, id, stored, time.Hour); err != nil {
		t.Fatal(err)
	}
	s := n.revive(id, stored)
	s.exception = true                   // as when it is claimed
	s.outlet = &socket{server: n.Server} // never written to
	s.catching = true                    // and never read for
	due := map[pandapush.AppID]pandapush.Cursor{"app": {Epoch: cursor.Epoch, Position: pandapush.Position{Millis: 1 << 40}}}
	for _, step := range []struct {
		what    string
		advance bool
		wait    time.Duration
		want    int64
	}{
		{"the claim has made an exception of it", false, 0, 1},
		{"it stands", false, exceptionInterval, 0},
		{"it got on", true, 0, 1},
		{"it got on again, at once", true, 0, 0},
		{"and after a while", false, exceptionInterval, 1},
		{"it stands again", false, exceptionInterval, 0},
	} {
		now.add(step.wait)
		if step.advance {
			s.mu.Lock()
			s.feeds[0].low.Seq++
			s.feeds[0].position = s.feeds[0].low
			s.mu.Unlock()
		}
		before := records.saves.Load()
		n.writeException(ctx, s, due)
		if got := records.saves.Load() - before; got != step.want {
			t.Errorf("%s: %d writes, want %d", step.what, got, step.want)
		}
	}
	n.letGo(s)
}
