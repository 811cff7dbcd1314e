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

// BenchmarkPublishing measures how many messages a node takes for a second of its processor's time, one to a request and a
// thousand to a request, and what each costs its Redis, which writes it to the disk. Its clients' own time does not count.
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
			redis := children(b, n.pid)
			before, redisBefore := processorTime(b, n.pid), processorTime(b, redis...)
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
			messages := float64(requests * kind.messages)
			b.ReportMetric(messages/(processorTime(b, n.pid)-before), "messages/cpu-s")
			b.ReportMetric((processorTime(b, redis...)-redisBefore)/messages*1e6, "redis-cpu-µs/message")
		})
	}
}

// children returns the children of a process: a node's Redis.
func children(b *testing.B, pid int) (all []int) {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // the thread has just ended
		}
		for child := range strings.FieldsSeq(string(text)) {
			id, err := strconv.Atoi(child)
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, id)
		}
	}
	return all
}

// processorTime returns the seconds of processor time that processes have used.
func processorTime(b *testing.B, pids ...int) (seconds float64) {
	b.Helper()
	const ticks = 100 // per second: the kernel's USER_HZ, the same everywhere
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
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
