package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Publisher publishes numbered messages over HTTP: to one channel after the other, at a steady rate. What it has
// published is known at any moment, from any goroutine.
type Publisher struct {
	client  http.Client
	app     string
	key     string
	secret  string
	padding []byte
	target  atomic.Pointer[string]
	acked   []atomic.Int64 // by channel: the number of the newest message that the server took
	stop    chan struct{}
	working sync.WaitGroup
	failed  atomic.Pointer[error] // the first failure
}

// NewPublisher returns a publisher to channels 0 to channels-1 of an application. Each message has size bytes of payload, or
// as few more as its number needs.
func NewPublisher(app, key, secret string, channels, size int) *Publisher {
	const frame = len(`{"n":,"pad":""}`) + 6
	return &Publisher{
		client: http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		app:    app, key: key, secret: secret, padding: bytes.Repeat([]byte{'x'}, max(0, size-frame)),
		acked: make([]atomic.Int64, channels), stop: make(chan struct{}),
	}
}

// Aim has everything from now on published by the node at addr.
func (p *Publisher) Aim(addr string) { p.target.Store(&addr) }

// Acked returns the number of the newest message of a channel that was acknowledged.
func (p *Publisher) Acked(channel int) int64 { return p.acked[channel].Load() }

// Total returns how many messages were acknowledged.
func (p *Publisher) Total() (n int64) {
	for i := range p.acked {
		n += p.acked[i].Load()
	}
	return n
}

// Err returns why publishing failed, if it did. Nothing is published twice, so the count is off from there on.
func (p *Publisher) Err() error {
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Start publishes rate messages a second until Stop.
func (p *Publisher) Start(rate int) {
	turns := make([]chan struct{}, min(16, len(p.acked))) // each channel has one worker, so that its messages keep their order
	for w := range turns {
		turns[w] = make(chan struct{}, 1<<16)
		p.working.Go(func() { p.work(w, len(turns), turns[w]) })
	}
	p.working.Go(func() {
		p.tick(rate, turns)
		for _, turn := range turns {
			close(turn)
		}
	})
}

// tick gives the workers their turns. A late tick gives as many as are due.
func (p *Publisher) tick(rate int, turns []chan struct{}) {
	start, given := time.Now(), 0
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
		}
		for due := int(time.Since(start).Seconds() * float64(rate)); given < due; given++ {
			turns[given%len(p.acked)%len(turns)] <- struct{}{}
		}
	}
}

// work publishes to every of-th channel from first on, one message a turn.
func (p *Publisher) work(first, of int, turns <-chan struct{}) {
	channel := first
	for range turns {
		if p.Err() != nil {
			continue
		}
		if err := p.publish(channel); err != nil {
			p.failed.CompareAndSwap(nil, &err)
		}
		if channel += of; channel >= len(p.acked) {
			channel = first
		}
	}
}

// Publish publishes n messages to a channel, as fast as one connection goes, or until Stop.
func (p *Publisher) Publish(channel, n int) {
	p.working.Go(func() {
		for range n {
			select {
			case <-p.stop:
				return
			default:
			}
			if err := p.publish(channel); err != nil {
				p.failed.CompareAndSwap(nil, &err)
				return
			}
		}
	})
}

func (p *Publisher) publish(channel int) (err error) {
	n := p.acked[channel].Load() + 1
	body := fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, n, p.padding)
	request, err := http.NewRequest(http.MethodPost, "http://"+*p.target.Load()+"/channel"+ChannelName(p.app, channel), bytes.NewReader(body)) //nolint:noctx // the client has a timeout
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	request.SetBasicAuth(p.key, p.secret)
	request.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(request)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("publish: %s: %s", response.Status, text)
	}
	p.acked[channel].Store(n)
	return nil
}

// Wait returns when everything that Publish was asked for is done.
func (p *Publisher) Wait() { p.working.Wait() }

// Stop ends publishing and waits for what is under way.
func (p *Publisher) Stop() {
	close(p.stop)
	p.working.Wait()
	p.client.CloseIdleConnections()
}
