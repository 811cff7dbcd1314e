package edge

import (
	"errors"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// TestSessionThatIsBeingClaimedHereStays: a save that meets a newer claim of the same node says nothing against the session.
func TestSessionThatIsBeingClaimedHereStays(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c := n.dial(t)
	c.attach(id)
	s := n.awaitAttached(t, id)
	due := map[pandapush.AppID]pandapush.Cursor{}
	save := func() (kept bool) {
		s.mu.Lock()
		s.exception = true
		s.mu.Unlock()
		n.writeException(t.Context(), s, due)
		_, kept = n.sessions.get(id)
		return kept
	}
	claimed := n.sessions.claiming(id)
	record, _, err := n.cfg.Records.ClaimSession(t.Context(), id, pandapush.TransportWebSocket, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if !save() {
		t.Fatal("the session is dropped while it is being claimed")
	}
	s.mu.Lock()
	before := s.fence
	s.fence = record.Fence
	s.mu.Unlock()
	claimed()
	if !save() {
		t.Fatal("the session is dropped when it has been claimed")
	}
	s.mu.Lock()
	s.fence = before // the claim was another node's
	s.mu.Unlock()
	if save() {
		t.Error("a session that another node has claimed is not dropped")
	}
}

// TestEndedSessionIsNotRestored: a session that is ended elsewhere while its owner looks for its record leaves none behind.
func TestEndedSessionIsNotRestored(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	c := n.dial(t)
	c.attach(id)
	s := n.awaitAttached(t, id)
	if _, _, err := n.cfg.Records.EndSession(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	n.touch(t.Context()) // finds no record
	n.dropEnded(t.Context(), s, endDisconnect)
	if _, _, err := n.cfg.Records.EndSession(t.Context(), id); !errors.Is(err, pandapush.ErrNotFound) {
		t.Errorf("there is a record: %v", err)
	}
}
