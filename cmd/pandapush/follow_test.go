package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// curlStream runs curl until the test ends, and returns what it prints.
func curlStream(tb testing.TB, args ...string) *transcript {
	tb.Helper()
	cmd := exec.Command("curl", append([]string{"-sN", "--noproxy", "*"}, args...)...) // not CommandContext: it is killed below, and waited for
	out := newTranscript()
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return out
}

// TestFollowWithCurl follows as the README says, and goes on from the last id on another node.
func TestFollowWithCurl(t *testing.T) {
	env, nodes := startTwo(t)
	token := mustCommand(t, env, "token", "/devapp/private/**", "--key", devKey.id, "--sub")
	const path, events = "/channel/devapp/private/*?channel=/devapp/public/a", "Accept: text/event-stream"
	out := curlStream(t, "-H", events, nodes[0].url+path+"&token="+token)
	out.await(t, "id: ")
	nodes[0].mustPublish(t, devKey.sign, "/devapp/private/x", `{"n":1}`)
	last := nodes[1].mustPublish(t, devKey.sign, "/devapp/public/a", `{"n":2}`)
	out.await(t, "id: "+last)
	if got := out.await(t, `"n":1`); got != `data: {"channel":"/devapp/private/x","data":{"n":1},"id":"`+strings.Split(got, `"id":"`)[1] {
		t.Errorf("got %s", got)
	}

	nodes[1].mustPublish(t, devKey.sign, "/devapp/private/x", `{"n":3}`)
	resumed := curlStream(t, "-H", events, "-H", "Last-Event-ID: "+last, "-H", "Authorization: Bearer "+token, nodes[1].url+path)
	resumed.await(t, `"n":3`)
	if text := resumed.String(); strings.Contains(text, `"n":1`) || strings.Contains(text, `"n":2`) {
		t.Errorf("what came before came again: %s", text)
	}
	rewound := curlStream(t, "-H", events, "-u", devKey.id+":"+devKey.secret, nodes[1].url+path+"&since=2")
	rewound.await(t, `"n":3`)
	if text := rewound.String(); strings.Contains(text, `"n":1`) || !strings.Contains(text, `"n":2`) {
		t.Errorf("not the last two: %s", text)
	}

	mustCommand(t, env, "key", "revoke", "devapp", devKey.id)
	for _, o := range []*transcript{out, resumed, rewound} {
		if got := o.await(t, "reason"); got != `data: {"reason":"Revoked key"}` {
			t.Errorf("got %s", got)
		}
	}
}

// TestKilledUnderReaders kills a node under a thousand readers: each gets every message once, and in order.
func TestKilledUnderReaders(t *testing.T) {
	readers, messages := 1000, 60
	if testing.Short() {
		readers, messages = 50, 30
	}
	_, nodes := startTwo(t)
	var mu sync.Mutex
	urls := []string{nodes[0].url, nodes[1].url}
	node := func() string {
		mu.Lock()
		defer mu.Unlock()
		return urls[0]
	}
	ctx, cancel := context.WithCancel(t.Context())
	transport := &http.Transport{DisableKeepAlives: true}
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	all := make([]chan string, readers)
	for i := range all {
		path := []string{"/channel/devapp/public/a", "/channel/devapp/public/*", "/channel/devapp/public/**?channel=/devapp/public/a"}[i%3]
		got := make(chan string, messages+10)
		all[i] = got
		r := &reader{
			url: func() string { return node() + path }, client: &http.Client{Transport: transport},
			take: func(e sse) { got <- e.data },
		}
		running.Go(func() { r.run(ctx) })
	}
	for _, got := range all {
		<-got // where it begins
	}
	for n := range messages {
		if n == messages/2 {
			mu.Lock()
			urls = urls[1:]
			mu.Unlock()
			if err := syscall.Kill(nodes[0].pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := nodes[0].wait(t); err == nil {
				t.Error("serve outlived SIGKILL")
			}
		}
		nodes[1].mustPublish(t, devKey.sign, "/devapp/public/a", fmt.Sprintf(`{"n":%d}`, n))
	}
	for i, got := range all {
		for n := 0; n < messages; {
			var m struct{ Data struct{ N int } }
			select {
			case text := <-got:
				if text == "" {
					continue // where it goes on
				}
				if err := json.Unmarshal([]byte(text), &m); err != nil || m.Data.N != n {
					t.Fatalf("reader %d, message %d: %s %v", i, n, text, err)
				}
				n++
			case <-time.After(patience):
				t.Fatalf("reader %d lacks message %d", i, n)
			}
		}
	}
}
