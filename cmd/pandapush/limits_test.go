package main

import (
	"net/http"
	"strings"
	"testing"
)

// TestLimitsHoldForAllNodes publishes on two nodes in turn until both refuse.
func TestLimitsHoldForAllNodes(t *testing.T) {
	t.Parallel()
	env := shared(t, settings(t)).with(vars{"PUBLISH_RATE": "0.001", "PUBLISH_BURST": "7"})
	mustCommand(t, env, "migrate", "up")
	nodes := []*node{startNode(t, env), startNode(t, env.with(vars{"DATA_DIR": t.TempDir()}))}
	stored, refused := 0, 0
	for i := range 20 {
		r := nodes[i%2].publish(t, devKey.sign, "/devapp/public/a", `{}`)
		switch r.status {
		case http.StatusOK:
			stored++
		case http.StatusTooManyRequests:
			refused++
			if r.header.Get("Retry-After") == "" || !strings.HasPrefix(r.header.Get("RateLimit"), `"app";r=0;`) {
				t.Errorf("refused with Retry-After %q, RateLimit %q", r.header.Get("Retry-After"), r.header.Get("RateLimit"))
			}
		default:
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	if stored != 7 || refused != 13 {
		t.Errorf("%d stored and %d refused, want 7 and 13", stored, refused)
	}
}
