package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandapush/pandapush/streams/streamstest"
)

const (
	publishers = 50
	// rounds is how many publishes of each publisher have to succeed before Redis is killed, and again afterwards.
	rounds = 10
)

// TestKillRedis kills Redis with kill -9 under 50 publishers and starts it again from its append-only file: what was
// acknowledged is in the stream, and reaches a subscriber that was there all along, once and in the stream's order.
func TestKillRedis(t *testing.T) {
	server := streamstest.Start(t, streamstest.Options{AOF: true})
	n := startNode(t, settings(t).with(vars{
		"REDIS_URL_ENV_VARS": "TEST_REDIS", "TEST_REDIS": server.URL(), "HISTORY_LENGTH": "1000000",
	}))
	const channel = "/devapp/private/a"
	subscriber := n.dial(t)
	subscriber.subscribe(devKey, "/devapp/private/**")
	received := subscriber.collect(channel + "/end")

	var all []*publisher
	ctx, stop := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	for i := range publishers {
		p := &publisher{node: n, path: "/channel" + channel, number: i, goal: rounds}
		all = append(all, p)
		publishing.Go(func() { p.run(ctx) })
	}
	defer publishing.Wait()
	defer stop()
	each := func(what string, ok func(*publisher) bool) {
		t.Helper()
		eventually(t, what, func() bool { return !slices.ContainsFunc(all, func(p *publisher) bool { return !p.check(ok) }) })
	}
	each("all publish", func(p *publisher) bool { return len(p.stored) >= p.goal })
	server.Kill()
	each("all hear that Redis is away", func(p *publisher) bool { return p.unavailable > 0 })
	if r := n.get(t, "/readyz"); r.status != http.StatusServiceUnavailable {
		t.Errorf("without Redis, /readyz is %d %s", r.status, r.body)
	}
	if r := n.get(t, "/livez"); r.status != http.StatusOK {
		t.Errorf("without Redis, /livez is %d %s", r.status, r.body)
	}
	server.Restart()
	for _, p := range all {
		p.check(func(p *publisher) bool { p.goal = len(p.stored) + rounds; return true })
	}
	each("all publish again", func(p *publisher) bool { return len(p.stored) >= p.goal })
	eventually(t, "the server is ready again", func() bool { return n.get(t, "/readyz").status == http.StatusOK })
	stop()
	publishing.Wait()
	last := n.mustPublish(t, devKey.sign, channel+"/end", `{}`)

	stream := storedIDs(t, server.Client(), "devapp")
	got := <-received
	if !slices.Equal(got, stream) {
		t.Errorf("the subscriber got %d messages, the stream has %d, or their order differs", len(got), len(stream))
	}
	if stream[len(stream)-1] != position(last) {
		t.Errorf("the stream ends with %s, not with the last message, %s", stream[len(stream)-1], last)
	}
	place := map[string]int{}
	for i, id := range stream {
		place[id] = i
	}
	for _, p := range all {
		p.judge(t, place)
	}
}

// collect gathers the stream ids of deliveries up to the first on the channel last.
func (s *bayeuxSocket) collect(last string) <-chan []string {
	collected := make(chan []string, 1)
	go func() {
		var ids []string
		defer func() { collected <- ids }()
		for timeout := time.After(2 * patience); ; {
			select {
			case m := <-s.messages:
				if m.Successful != nil { // nothing that a subscriber should hear of, such as a gap
					ids = append(ids, m.Channel)
					continue
				}
				ids = append(ids, position(strings.Trim(string(m.ID), `"`)))
				if m.Channel == last {
					return
				}
			case <-timeout:
				return
			}
		}
	}()
	return collected
}

// publisher publishes one message after the other.
type publisher struct {
	node   *node
	path   string
	number int

	mu          sync.Mutex
	goal        int      // how many the test waits for
	stored      []string // the ids of acknowledged messages, in order
	unavailable int      // answers 503
	wrong       []string // what else was answered
}

// check calls ok with p.mu held.
func (p *publisher) check(ok func(*publisher) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return ok(p)
}

// run publishes until ctx ends.
func (p *publisher) run(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		// Not ctx: a publish that is cut off may be stored or not, and nobody knows.
		r, err := p.node.send(context.WithoutCancel(ctx), http.MethodPost, p.path, fmt.Sprintf(`{"publisher":%d,"n":%d}`, p.number, i), devKey.sign)
		away := p.note(r, err)
		if !away {
			continue
		}
		select {
		case <-time.After(20 * time.Millisecond): // not as long as Retry-After says, to be there when Redis is back
		case <-ctx.Done():
		}
	}
}

// note takes an answer, and returns whether it says that Redis is away.
func (p *publisher) note(r response, err error) (away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := r.header.Get("X-Message-Id")
	switch {
	case err != nil:
		p.wrong = append(p.wrong, err.Error())
	case r.status == http.StatusOK && id != "":
		p.stored = append(p.stored, position(id))
	case r.status == http.StatusServiceUnavailable && r.header.Get("Retry-After") == "1":
		p.unavailable++
		return true
	default:
		p.wrong = append(p.wrong, fmt.Sprint(r.status, r.header, r.body))
	}
	return false
}

// judge checks that everything that was acknowledged has a place in the stream, in the order in which it was published.
func (p *publisher) judge(t *testing.T, place map[string]int) {
	t.Helper()
	if len(p.wrong) > 0 {
		t.Errorf("publisher %d got %d wrong answers: %s", p.number, len(p.wrong), p.wrong[0])
	}
	former := -1
	for _, id := range p.stored {
		at, ok := place[id]
		switch {
		case !ok:
			t.Errorf("publisher %d: %s was acknowledged and is not in the stream", p.number, id)
		case at <= former:
			t.Errorf("publisher %d: %s stands before one that was published earlier", p.number, id)
		}
		former = at
	}
}
