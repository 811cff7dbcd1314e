package streams_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// BenchmarkAppend measures concurrent appends of 128 bytes, with nobody reading.
func BenchmarkAppend(b *testing.B) {
	data := `{"text":"` + strings.Repeat("x", 128-11) + `"}`
	for _, server := range []struct {
		name string
		o    streamstest.Options
	}{
		{"memory", streamstest.Options{}},
		{"aof", streamstest.Options{AOF: true}},
	} {
		for _, publishers := range []int{1, 64, 512} {
			b.Run(fmt.Sprintf("%s/publishers=%d", server.name, publishers), func(b *testing.B) {
				url := streamstest.Start(b, server.o).URL()
				n := streamstest.Open(b, streams.Config{
					Redis: streams.Topology{URLs: []string{url}}, Node: "a", Log: slog.New(slog.DiscardHandler),
				})
				m := streamstest.Message(b, "/bench/public/x", data)
				n.Send("/bench/public/x", data)
				b.ReportAllocs()
				b.ResetTimer()
				appendAll(b, n, m, publishers)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
			})
		}
	}
}

// appendAll appends m b.N times, by so many goroutines.
func appendAll(b *testing.B, n *streamstest.Node, m pandapush.Message, publishers int) {
	b.Helper()
	done := make(chan error, publishers)
	for p := range publishers {
		go func() {
			var err error
			for i := p; i < b.N && err == nil; i += publishers {
				_, err = n.Append(b.Context(), m)
			}
			done <- err
		}()
	}
	for range publishers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendAll measures batches of a thousand messages of 128 bytes.
func BenchmarkAppendAll(b *testing.B) {
	const size = 1000
	data := `{"text":"` + strings.Repeat("x", 128-11) + `"}`
	n := streamstest.Open(b, streams.Config{
		Redis: streams.Topology{URLs: []string{streamstest.Start(b, streamstest.Options{}).URL()}}, Node: "a", Log: slog.New(slog.DiscardHandler),
	})
	messages := make([]pandapush.Message, size)
	for i := range messages {
		messages[i] = streamstest.Message(b, "/bench/public/x", data)
	}
	n.Send("/bench/public/x", data)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.AppendAll(b.Context(), messages); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkRead measures how fast a node reads what others have appended, from the append to Deliver.
func BenchmarkRead(b *testing.B) {
	data := `{"text":"` + strings.Repeat("x", 128-11) + `"}`
	cfg := streams.Config{
		Redis: streams.Topology{URLs: []string{streamstest.Redis(b)}}, Node: "a", Log: slog.New(slog.DiscardHandler), MaxLen: 1 << 30,
	}
	n := streamstest.Open(b, cfg)
	n.MustJoin("bench")
	m := streamstest.Message(b, "/bench/public/x", data)
	b.ReportAllocs()
	b.ResetTimer()
	appendAll(b, n, m, 64)
	n.Await("bench", n.Send("/bench/public/x", data))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkClaim measures claims of 10,000 sessions by 1,000 callers at a time: a node died, and its clients come back.
func BenchmarkClaim(b *testing.B) {
	const sessions, callers = 10_000, 1000
	cfg := streams.Config{
		Redis: streams.Topology{URLs: []string{streamstest.Redis(b)}}, Node: "a", Log: slog.New(slog.DiscardHandler),
	}
	n := streamstest.Open(b, cfg)
	each := func(count int, f func(id string) error) {
		b.Helper()
		done := make(chan error, callers)
		for c := range callers {
			go func() {
				var err error
				for i := c; i < count && err == nil; i += callers {
					err = f("session" + strconv.Itoa(i%sessions))
				}
				done <- err
			}()
		}
		for range callers {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
	}
	session := pandapush.Session{Subscriptions: make(map[string]pandapush.Subscription)}
	for _, pattern := range []string{"/bench/public/x", "/bench/private/users/4711/**", "/bench/private/rooms/42"} {
		session.Subscriptions[pattern] = pandapush.Subscription{
			Grant: pandapush.Grant{App: "bench", Scope: "/bench/private/**", Sub: true, Key: "abcdefgh", Expires: time.UnixMilli(2e12)},
		}
	}
	each(sessions, func(id string) error { return n.CreateSession(b.Context(), id, session, time.Hour) })
	b.ReportAllocs()
	b.ResetTimer()
	each(b.N, func(id string) error {
		_, _, err := n.ClaimSession(b.Context(), id, pandapush.TransportWebSocket, time.Hour)
		return err
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "claims/s")
}

// BenchmarkAppendOnce measures concurrent appends of 128 bytes under keys.
func BenchmarkAppendOnce(b *testing.B) {
	const publishers = 64
	n := streamstest.Open(b, streams.Config{
		Redis: streams.Topology{URLs: []string{streamstest.Redis(b)}}, Node: "a", Log: slog.New(slog.DiscardHandler),
	})
	m := streamstest.Message(b, "/bench/public/x", `{"text":"`+strings.Repeat("x", 128-11)+`"}`)
	done := make(chan error, publishers)
	b.ReportAllocs()
	b.ResetTimer()
	for p := range publishers {
		go func() {
			var err error
			for i := p; i < b.N && err == nil; i += publishers {
				_, _, err = n.AppendOnce(b.Context(), m, "key"+strconv.Itoa(i), time.Minute)
			}
			done <- err
		}()
	}
	for range publishers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParse measures what reading costs this process: a reply of a thousand entries, and each of them made a message.
func BenchmarkParse(b *testing.B) {
	const entries = 1000
	data := `{"text":"` + strings.Repeat("x", 128-11) + `"}`
	url := streamstest.Redis(b)
	n := streamstest.Open(b, streams.Config{Redis: streams.Topology{URLs: []string{url}}, Node: "a", Log: slog.New(slog.DiscardHandler)})
	for range entries {
		n.Send("/bench/public/x", data)
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		b.Fatal(err)
	}
	client := redis.NewClient(o)
	defer func() { _ = client.Close() }()
	args := &redis.XReadArgs{Streams: []string{streams.LogKey("bench"), "0"}, Count: entries, Block: -1}
	b.ReportAllocs()
	used := processorTime(b)
	for b.Loop() {
		reply, err := client.XRead(b.Context(), args).Result()
		if err != nil || len(reply[0].Messages) != entries {
			b.Fatal(len(reply), err)
		}
		for _, entry := range reply[0].Messages {
			if _, err := streams.DecodeEntry("bench", entry); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64((processorTime(b)-used).Nanoseconds())/float64(b.N*entries), "cpu-ns/entry")
}

// processorTime returns what this process has used.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
