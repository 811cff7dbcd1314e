package pandapush

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// TestFollowOverRestart kills the server under a follower, while another client publishes: each message comes once, in order.
func TestFollowOverRestart(t *testing.T) {
	s := startServer(t)
	c := s.client()
	const channel, count = "/devapp/private/follow", 30
	start, err := c.Publish(t.Context(), channel, map[string]int{"n": -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	published := make(chan error, 1)
	half := make(chan struct{})
	go func() {
		var err error
		for n := 0; n < count && err == nil; n++ {
			if n == count/2 {
				<-half
			}
			_, err = c.Publish(t.Context(), channel, map[string]int{"n": n}, nil)
		}
		published <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n := 0
	for event, err := range c.Follow(ctx, start, "/devapp/private/*", "/devapp/public/a") {
		message, ok := event.(Message)
		if want := fmt.Sprintf(`{"n":%d}`, n); err != nil || !ok || string(message.Data) != want || message.Channel != channel {
			t.Fatalf("got %v, %v, want %s", event, err, want)
		}
		if n++; n == count {
			break
		}
		if n == count/2 {
			s.restart()
			close(half)
		}
	}
	if err := <-published; err != nil {
		t.Error(err)
	}
	if n != count {
		t.Errorf("%d messages, want %d", n, count)
	}
}

// TestFollowEnds: a refusal is an error, and so is the end that the server makes; the caller's end is that of ctx.
func TestFollowEnds(t *testing.T) {
	s := startServer(t)
	stranger, err := New(Config{URL: "http://" + s.addr})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range stranger.Follow(t.Context(), "", "/devapp/private/a") {
		if e := refused(t, err); e.Status != http.StatusUnauthorized {
			t.Errorf("got %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range stranger.Follow(ctx, "", "/devapp/public/a") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	for _, err := range stranger.Follow(t.Context(), "") {
		if err == nil {
			t.Error("nothing is followed")
		}
	}
}

// TestFollowStory follows a server that says all that one can say, over several connections.
func TestFollowStory(t *testing.T) {
	var asked []string
	parts := []string{
		"retry: 1\n\n:\nid: a-1-0\n\nevent: presence\ndata: {\"channel\":\"/x/presence/r\",\"presence\":{\"subscribe\":{\"b\":{\"id\":\"b\"}}}}\n\n",
		"id: a-2-0\ndata: {\"channel\":\"/x/presence/r\",\r\ndata: \"data\":{},\"id\":\"a-2-0\",\"ext\":{\"notice\":\"presence\"}}\r\n\r\nid: a-3-0\ndata: {}\n",
		"event: new\ndata: what\n\nevent: gap\nid: a-5-0\ndata: {\"app\":\"x\",\"from\":\"a-2-0\",\"to\":\"a-5-0\",\"reason\":\"trimmed\"}\n\n",
		"event: end\ndata: {\"reason\":\"Revoked key\"}\n\n",
	}
	story := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(parts[len(asked)]))
		asked = append(asked, r.Header.Get("Last-Event-ID"))
	}))
	defer story.Close()
	c, err := New(Config{URL: story.URL})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for event, err := range c.Follow(t.Context(), "", "/x/presence/r") {
		var ended *Ended
		switch {
		case errors.As(err, &ended):
			got = append(got, ended.Reason)
		case err != nil:
			t.Fatal(err)
		default:
			text := fmt.Sprintf("%T %s", event, event)
			got = append(got, strings.TrimPrefix(text, "pandapush."))
		}
	}
	want := []string{
		`Room {/x/presence/r map[b:{"id":"b"}]}`, `Message {a-2-0 /x/presence/r {} %!s(bool=true)}`, "Gap {trimmed a-2-0 a-5-0}", "Revoked key",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if want := []string{"", "a-1-0", "a-2-0", "a-5-0"}; !reflect.DeepEqual(asked, want) {
		t.Errorf("asked for what came after %q, want %q", asked, want)
	}
}
