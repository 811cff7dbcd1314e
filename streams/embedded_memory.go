package streams

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// startMemory starts a Redis inside this process, for machines that have none.
func (e *Embedded) startMemory(log *slog.Logger) error {
	m := miniredis.NewMiniRedis()
	password := rand.Text() // other users of the machine can reach the port
	m.RequireAuth(password)
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return err
	}
	e.url = (&url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: m.Addr()}).String()
	log.Warn("streams: no redis-server is installed; an in-process Redis holds the streams, and every message, cursor and " +
		"session is lost when this process ends. Not for production.")

	ctx, cancel := context.WithCancel(context.Background())
	var clock sync.WaitGroup
	clock.Go(func() { runClock(ctx, m) })
	e.cleanup = append(e.cleanup, func() error {
		cancel()
		clock.Wait()
		m.Close()
		return nil
	})
	return nil
}

// runClock makes keys expire: miniredis only lets time pass when it is told to.
func runClock(ctx context.Context, m *miniredis.Miniredis) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.FastForward(time.Second)
		case <-ctx.Done():
			return
		}
	}
}
