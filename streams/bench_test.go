package streams_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

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
