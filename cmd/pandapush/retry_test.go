package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var retries = flag.Int("retries", 2000, "how often TestRetriedPublishesAreStoredOnce publishes")

// TestRetriedPublishesAreStoredOnce publishes over connections that break anywhere in a request or its answer, and sends each
// message again until it is acknowledged: every one is stored, and none twice. So is every batch, as a whole.
func TestRetriedPublishesAreStoredOnce(t *testing.T) {
	t.Parallel()
	n := startNode(t, settings(t).with(vars{"HISTORY_LENGTH": strconv.Itoa(10_000 + 2**retries)}))
	var (
		tries, next, cuts atomic.Int64
		publishers        sync.WaitGroup
	)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, // so that every request has a connection that may break
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil || rand.N(2) == 0 {
				return conn, err
			}
			cuts.Add(1)
			return &brittle{Conn: conn, left: rand.N(700)}, nil
		},
	}}
	for range 4 {
		publishers.Go(func() {
			for tries.Load() < int64(*retries) {
				number := int(next.Add(1))
				for !publishOnce(t, client, n.url, number) {
					tries.Add(1)
				}
				tries.Add(1)
			}
		})
	}
	publishers.Wait()
	if cuts.Load() == 0 {
		t.Fatal("no connection broke")
	}
	want := make(map[int]int)
	for number := 1; number <= int(next.Load()); number++ {
		want[number] = copies(number)
	}
	got := stored(t, n)
	for number, count := range want {
		if got[number] != count {
			t.Errorf("message %d is stored %d times, want %d", number, got[number], count)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d messages are stored, want %d", len(got), len(want))
	}
	t.Logf("%d messages in %d tries, %d on connections made to break", len(want), tries.Load(), cuts.Load())
}

// copies returns how many entries a message becomes: every tenth is a batch of three.
func copies(number int) int {
	if number%10 == 0 {
		return 3
	}
	return 1
}

// publishOnce tries to publish a message under its number as the key, and reports whether it is acknowledged.
func publishOnce(t *testing.T, client *http.Client, url string, number int) bool {
	t.Helper()
	target, body := url+"/channel/devapp/public/retried", fmt.Sprintf(`{"n":%d}`, number)
	if copies(number) > 1 {
		target, body = url+"/batch/devapp", `[{"channels":["/devapp/public/retried","/devapp/public/retried","/devapp/public/retried"],"data":`+body+`}]`
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return true
	}
	devKey.sign(request)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", strconv.Itoa(number))
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	text, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return false
	}
	if answer.StatusCode != http.StatusOK {
		t.Errorf("message %d: %d %s", number, answer.StatusCode, text)
	}
	return true
}

// stored reads the whole stream back, and returns how often each number is in it.
func stored(t *testing.T, n *node) map[int]int {
	t.Helper()
	counts := make(map[int]int)
	for since := "24h"; since != ""; {
		answer, err := n.send(t.Context(), http.MethodGet, "/channel/devapp/public/retried?order=oldest&limit=1000&since="+since, "", nil)
		if err != nil || answer.status != http.StatusOK {
			t.Fatalf("%d %s, %v", answer.status, answer.body, err)
		}
		var page struct {
			Messages []struct{ Data struct{ N int } }
			Next     string
		}
		if err := json.Unmarshal([]byte(answer.body), &page); err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			counts[m.Data.N]++
		}
		since = page.Next
	}
	return counts
}

// brittle is a connection that breaks after so many bytes, in whichever direction they go.
type brittle struct {
	net.Conn
	mu   sync.Mutex
	left int
}

var errBroken = errors.New("the connection broke")

// spend returns how many of n bytes still get through.
func (b *brittle) spend(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	through := min(n, b.left)
	b.left -= through
	return through
}

// Write implements net.Conn.
func (b *brittle) Write(p []byte) (int, error) {
	through := b.spend(len(p))
	n, err := b.Conn.Write(p[:through])
	if err == nil && through < len(p) {
		err = errors.Join(errBroken, b.Conn.Close())
	}
	return n, err
}

// Read implements net.Conn.
func (b *brittle) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if through := b.spend(n); err == nil && through < n {
		return through, errors.Join(errBroken, b.Conn.Close())
	}
	return n, err
}
