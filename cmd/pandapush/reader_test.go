package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// sse is a server-sent event. One without data says how far the stream has got.
type sse struct{ kind, id, data string }

// reader is what an EventSource is: it follows, and comes back with the last id when its stream ends.
type reader struct {
	url    func() string // asked each time it connects
	client *http.Client
	take   func(sse)
	down   func(error) // why a stream has ended; nil if nobody asks

	// Owned by the goroutine of run.
	last string // id
}

// run reads until ctx ends.
func (r *reader) run(ctx context.Context) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for ctx.Err() == nil {
		err := r.connect(ctx)
		if ctx.Err() == nil && r.down != nil {
			r.down(err)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
}

// connect reads one stream to its end.
func (r *reader) connect(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url(), http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	if r.last != "" {
		request.Header.Set("Last-Event-ID", r.last)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	var e sse
	for lines := bufio.NewReaderSize(response.Body, 512); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err // what an event lacks its end for is not taken
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.id != "" {
				r.last = e.id
			}
			if e != (sse{}) {
				r.take(e)
			}
			e = sse{}
		}
	}
}
