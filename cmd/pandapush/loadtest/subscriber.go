package loadtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// transport is a way to get messages. It is shared by all subscribers.
type transport interface {
	// follow subscribes, or resumes from s.cursor, and gets messages until the connection ends or ctx is done. It calls
	// s.attached once messages flow and s.received for each, all from the calling goroutine. It returns a refusedError if to
	// try again would not help; else it may set s.wait.
	follow(ctx context.Context, s *subscriber) error
}

// refusedError is an answer of the server that trying again would not change.
type refusedError string

// Error returns the server's text.
func (e refusedError) Error() string { return string(e) }

// payload is the data of a message.
type payload struct {
	Publisher int    `json:"p"`
	Number    int64  `json:"n"`
	Due       int64  `json:"t"` // nanoseconds since test.zero
	Padding   string `json:"pad,omitempty"`
}

const (
	// firstBack is the longest that a subscriber waits before it comes back, so that not all come at once; it doubles with
	// each failure up to lastBack.
	firstBack = 250 * time.Millisecond
	lastBack  = 8 * time.Second
)

// subscriber follows one channel.
type subscriber struct {
	// Set before it is started, then never changed.
	test    *test
	channel int // index in test.channels
	name    string
	latency *latency // shared with others

	// Owned by run.
	session string        // Bayeux client id
	cursor  string        // of the newest message, or where the subscription began
	wait    time.Duration // what the server told it to wait before it comes back
	up      bool
	before  bool      // it was up before
	since   time.Time // when it was not any more, if before

	mu     sync.Mutex
	tracks []track // by publisher
}

// run keeps the subscriber connected until ctx is done.
func (s *subscriber) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		s.wait = 0
		err := s.test.transport.follow(ctx, s)
		if s.up {
			failures = 0
			s.up, s.since = false, time.Now()
			s.test.connected.Add(-1)
		}
		if ctx.Err() != nil {
			return
		}
		if _, refused := errors.AsType[refusedError](err); refused || outOfFiles(err) {
			s.test.fail(explained(err))
			return
		}
		s.test.troubled(explained(err))
		pause(ctx, s.wait+rand.N(min(lastBack, firstBack<<min(failures, 10))))
	}
}

// attached notes that messages flow.
func (s *subscriber) attached() {
	if s.up {
		return
	}
	s.up = true
	s.test.connected.Add(1)
	if !s.before {
		s.before = true
		s.test.ready <- struct{}{} // has room for every subscriber
		return
	}
	s.test.returns.Add(1)
	away := int64(time.Since(s.since))
	for longest := s.test.longest.Load(); away > longest && !s.test.longest.CompareAndSwap(longest, away); {
		longest = s.test.longest.Load()
	}
}

// received notes a message.
func (s *subscriber) received(m payload) {
	if m.Publisher < 0 || m.Publisher >= len(s.tracks) || m.Number < 1 || m.Number > s.test.attempted.Load() {
		return // not of this test: whoever has a key can publish here
	}
	s.mu.Lock()
	what := s.tracks[m.Publisher].take(m.Number)
	s.mu.Unlock()
	switch what {
	case repeated:
		s.test.repeat.Add(1)
		return
	case outOfOrder:
		s.test.late.Add(1)
	case inOrder:
	}
	s.test.delivered.Add(1)
	s.latency.record(time.Since(s.test.zero) - time.Duration(m.Due))
}

// lost returns how many messages the subscriber has not got.
func (s *subscriber) lost(publishers []*publisher) (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range publishers {
		n += s.tracks[i].lost(p.sent[s.channel], p.doubtful[s.channel])
	}
	return n
}
