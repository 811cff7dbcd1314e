package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// BenchmarkPublishWatched publishes while nobody and while ten administrators look at the live pages, each following the
// service and the application. What looking costs the service is the difference of cpu-µs/op, the server's processor time for
// each message, which other work on the machine hardly changes. Run it for longer than a sample takes, with -benchtime=20s.
func BenchmarkPublishWatched(b *testing.B) {
	n := forkNode(b, settings(b).with(withAdmin).with(vars{"LOG_LEVEL": "info"}))
	for _, admins := range []int{0, 10, 0, 10} {
		b.Run(fmt.Sprintf("admins=%d", admins), func(b *testing.B) {
			stop := n.watch(b, admins)
			before := processorTime(b, n.pid)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n.mustPublish(b, devKey.sign, "/devapp/public/a", `{"text":"hello"}`)
				}
			})
			b.ReportMetric(1e6*(processorTime(b, n.pid)-before)/float64(b.N), "cpu-µs/op")
			stop()
		})
	}
}

// watch has administrators follow what is live, and returns when all of them have seen something.
func (n *node) watch(b *testing.B, admins int) (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var watching sync.WaitGroup
	for range admins {
		for _, path := range []string{"/stats/events", "/application/devapp/stats/events"} {
			seen := make(chan struct{})
			watching.Go(func() { n.follow(ctx, path, sync.OnceFunc(func() { close(seen) })) })
			<-seen
		}
	}
	return func() {
		cancel()
		watching.Wait()
	}
}

// follow reads an event stream until ctx ends.
func (n *node) follow(ctx context.Context, path string, seen func()) {
	defer seen()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/admin/api"+path, nil)
	if err != nil {
		return
	}
	asAdmin(r)
	answer, err := (&http.Client{Transport: n.http.Transport}).Do(r)
	if err != nil {
		return
	}
	defer func() { _ = answer.Body.Close() }()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: ") {
			seen()
		}
	}
}
