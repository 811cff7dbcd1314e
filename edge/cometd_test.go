package edge

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// What CometD's clients do that Faye's don't.

const cometdHandshake = `{"id":"1","channel":"/meta/handshake","version":"1.0","minimumVersion":"1.0",` +
	`"supportedConnectionTypes":["websocket","long-polling"],"advice":{"timeout":60000,"interval":0},"ext":%s}`

func TestTimeSynchronisation(t *testing.T) {
	now := newClock()
	n := startNode(t, func(c *Config) { c.Now = now.get })
	start := now.get().UnixMilli()
	timesync := fmt.Sprintf(`"timesync":{"tc":%d,"l":3,"o":7}`, start-12)
	want := func(held int64) string {
		return fmt.Sprintf(`"timesync":{"tc":%d,"ts":%d,"p":%d,"a":-2}`, start-12, start, held)
	}
	r := n.say(t, fmt.Sprintf(cometdHandshake, `{"ack":true,`+timesync+`}`))[0]
	if got := string(r.Ext); got != `{`+want(0)+`,"ack":true}` {
		t.Errorf("handshake: %s", got)
	}
	r = n.say(t, fmt.Sprintf(`{"channel":"/meta/unsubscribe","clientId":%q,"subscription":"/app/public/a","ext":{%s}}`, r.ClientID, timesync))[0]
	if got := string(r.Ext); got != `{`+want(0)+`}` {
		t.Errorf("unsubscribe: %s", got)
	}

	// A connect that is held says for how long it was.
	id := n.say(t, fmt.Sprintf(cometdHandshake, `{}`))[0].ClientID
	n.subscribe(t, id, "/app/public/a")
	connect := fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","id":"2","ext":{%s}}`, id, timesync)
	polled := make(chan []message)
	go func() {
		_, answer, err := n.tryPost(t.Context(), connect)
		if err != nil {
			t.Error(err)
		}
		polled <- parse(t, answer)
	}()
	awaitPoll(t, n, id)
	now.add(time.Second)
	n.publish(t, "/app/public/a", "1")
	if got := (<-polled)[0]; string(got.Ext) != `{`+want(1000)+`}` {
		t.Errorf("poll: %s", got.Ext)
	}
	now.add(-time.Second)
	c := n.dial(t)
	c.send(connect)
	c.ask(fmt.Sprintf(`{"channel":"/meta/unsubscribe","clientId":%q,"subscription":"/app/public/none"}`, id))
	now.add(2 * time.Second)
	n.dial(t).attach(id) // has the other connect answered
	if got := c.until("/meta/connect"); string(got.Ext) != `{`+want(2000)+`}` {
		t.Errorf("socket: %s", got.Ext)
	}
}

func TestTimeSynchronisationThatIsNone(t *testing.T) {
	n := startNode(t, nil)
	for _, ext := range []string{`{"timesync":1}`, `{"timesync":{}}`, `{"timesync":{"tc":"1"}}`, `{"timesync":{"tc":1e3}}`, `{"timesync":{"tc":9000000000000000}}`, `{"timesync":null}`} {
		if r := n.say(t, fmt.Sprintf(cometdHandshake, ext))[0]; !r.ok() || r.Ext != nil {
			t.Errorf("%s: %+v", ext, r)
		}
	}
}

// The page is loaded again: the same client id comes by another socket, its connect waits for nothing, and its ids begin anew.
func TestReloadOfAPage(t *testing.T) {
	n := startNode(t, nil)
	old := n.dial(t)
	id := old.ask(fmt.Sprintf(cometdHandshake, `{}`)).ClientID
	n.subscribe(t, id, "/app/public/a")
	old.attach(id)
	again := n.dial(t)
	if r := again.ask(fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket","id":"1","advice":{"timeout":0,"interval":5000}}`, id)); !r.ok() || r.ID != "1" {
		t.Errorf("%+v", r)
	}
	<-old.closed
	n.publish(t, "/app/public/a", "1")
	if got := texts(again.deliveries(1)); got != "1" {
		t.Errorf("got %s", got)
	}
}

// TestBatchNumbersAreNotUsedTwice: a record that is older than what its client has got must not give a number to another
// batch that the client has acknowledged: it would be taken for received.
func TestBatchNumbersAreNotUsedTwice(t *testing.T) {
	n := startNode(t, nil)
	id := n.say(t, `{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"],"ext":{"ack":true}}`)[0].ClientID
	n.subscribe(t, id, "/app/public/a")
	n.publish(t, "/app/public/a", "1")
	var ext struct{ Ack int64 }
	r := n.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0},"ext":{"ack":5}}`, id))
	if err := json.Unmarshal(r[0].Ext, &ext); err != nil || ext.Ack <= 5 || texts(r[1:]) != "1" {
		t.Errorf("%v, %+v", err, r)
	}
}
