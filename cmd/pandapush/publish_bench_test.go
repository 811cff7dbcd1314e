//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkPublishing measures how many messages a node takes for a second of its processor's time and of Redis', one to a
// request and a thousand to a request. Its clients' own time does not count.
func BenchmarkPublishing(b *testing.B) {
	const message = `{"channel":"/devapp/public/load","data":{"text":"` + "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890" + `"}}`
	_, data, _ := strings.Cut(message, `"data":`)
	data = strings.TrimSuffix(data, "}")
	for _, kind := range []struct {
		name, path, body string
		messages         int
	}{
		{"single", "/channel/devapp/public/load", data, 1},
		{"batch", "/batch/devapp", "[" + strings.TrimSuffix(strings.Repeat(message+",", 1000), ",") + "]", 1000},
	} {
		b.Run(kind.name, func(b *testing.B) {
			n := forkNode(b, settings(b))
			requests := (b.N + kind.messages - 1) / kind.messages
			n.mustPublish(b, devKey.sign, "/devapp/public/load", data)
			var next atomic.Int64
			var clients sync.WaitGroup
			before := processorTime(b, n.pid)
			b.ResetTimer()
			for range 8 {
				clients.Go(func() {
					for next.Add(1) <= int64(requests) {
						answer, err := n.send(b.Context(), "POST", kind.path, kind.body, devKey.sign)
						if err != nil || answer.status != 200 {
							b.Errorf("%d %s, %v", answer.status, answer.body, err)
							return
						}
					}
				})
			}
			clients.Wait()
			b.StopTimer()
			used := processorTime(b, n.pid) - before
			b.ReportMetric(float64(requests*kind.messages)/used, "messages/cpu-s")
		})
	}
}

// processorTime returns the seconds of processor time that a process and its children, of which one is Redis, have used.
func processorTime(b *testing.B, pid int) float64 {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		b.Fatal(err)
	}
	processes := []string{strconv.Itoa(pid)}
	for _, thread := range threads {
		children, err := os.ReadFile(thread)
		if err == nil { // else the thread has just ended
			processes = append(processes, strings.Fields(string(children))...)
		}
	}
	const ticks = 100 // per second: the kernel's USER_HZ, the same everywhere
	seconds := 0.0
	for _, process := range processes {
		text, err := os.ReadFile("/proc/" + process + "/stat")
		if err != nil {
			b.Fatal(err)
		}
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		for _, field := range fields[11:13] { // utime and stime
			n, err := strconv.Atoi(string(field))
			if err != nil {
				b.Fatal(err)
			}
			seconds += float64(n) / ticks
		}
	}
	return seconds
}
