//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	publishInterval = 50 * time.Millisecond // of each channel
	floodBytes      = 60_000                // of each message of a flood
)

// publication is what became of one attempt to publish.
type publication struct {
	at    time.Time // before it was sent
	acked bool
}

// chaosPublisher publishes numbered messages on every channel, and each again until it is acknowledged.
type chaosPublisher struct {
	t       testing.TB
	cluster *chaosCluster
	client  *http.Client
	stop    chan struct{} // closed when each channel is to publish its last message
	done    sync.WaitGroup
	flood   chan struct{} // each makes one large message, out of turn

	mu   sync.Mutex
	sent map[message]publication
	last []message
}

// startChaosPublisher begins to publish; finish ends it.
func startChaosPublisher(ctx context.Context, tb testing.TB, cluster *chaosCluster) *chaosPublisher {
	tb.Helper()
	p := &chaosPublisher{
		t: tb, cluster: cluster, stop: make(chan struct{}), flood: make(chan struct{}), sent: make(map[message]publication),
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}},
	}
	ctx, cancel := context.WithCancel(ctx)
	for _, channel := range chaosChannels {
		p.done.Go(func() { p.publish(ctx, channel) })
	}
	tb.Cleanup(func() {
		cancel()
		p.done.Wait()
		p.client.CloseIdleConnections()
	})
	return p
}

// publish publishes on one channel until it has published a message after stop.
func (p *chaosPublisher) publish(ctx context.Context, channel string) {
	ticker := time.NewTicker(publishInterval)
	defer ticker.Stop()
	for n, last := 1, false; !last; n++ {
		pad := ""
		select {
		case <-ticker.C:
		case <-p.flood:
			pad = strings.Repeat("x", floodBytes)
		case <-p.stop:
			last = true
		case <-ctx.Done():
			return
		}
		for attempt := 1; !p.send(ctx, message{channel, n, attempt}, pad, last); attempt++ {
			if !pause(ctx, publishInterval) {
				return
			}
		}
	}
}

// send makes one attempt and reports whether it was acknowledged.
func (p *chaosPublisher) send(ctx context.Context, m message, pad string, last bool) bool {
	_, addrs := p.cluster.proxy.rotate()
	if len(addrs) == 0 {
		return false
	}
	body := fmt.Sprintf(`{"n":%d,"attempt":%d,"pad":%q}`, m.n, m.attempt, pad)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addrs[0]+"/channel"+m.channel, bytes.NewBufferString(body))
	if err != nil {
		p.t.Error(err)
		return false
	}
	request.SetBasicAuth("key", "secret")
	request.Header.Set("Content-Type", "application/json")
	at := time.Now()
	status := p.do(request)
	if status >= 400 && status < 500 {
		p.t.Errorf("publish %v: status %d", m, status)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent[m] = publication{at, status == http.StatusOK}
	if last && status == http.StatusOK {
		p.last = append(p.last, m)
	}
	return status == http.StatusOK
}

// do returns the status of the answer, or 0 without one.
func (p *chaosPublisher) do(request *http.Request) int {
	response, err := p.client.Do(request)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }() // it has been read
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0
	}
	return response.StatusCode
}

// finish publishes a last message on each channel, and returns these once they are acknowledged.
func (p *chaosPublisher) finish() []message {
	close(p.stop)
	p.done.Wait()
	return p.last
}

// published returns all attempts so far.
func (p *chaosPublisher) published() map[message]publication {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.sent)
}
