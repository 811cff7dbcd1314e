package bayeux

import (
	"testing"
	"time"
)

// A connect that was held is answered as if all of it had been kept.
func TestHeldConnectIsAnsweredTheSame(t *testing.T) {
	for _, text := range []string{
		`{"channel":"/meta/connect","clientId":"abc","connectionType":"websocket","id":"7"}`,
		`{"channel":"/meta/connect","clientId":"abc","connectionType":"websocket","id":7,"ext":{"ack":12,"x":1},"advice":{"timeout":100}}`,
		`{"channel":"/meta/connect","clientId":"abc","connectionType":"websocket","ext":{"ack":"x"}}`,
		`{"channel":"/meta/connect","clientId":"abc","connectionType":"websocket","ext":{"ack":-0}}`,
	} {
		messages, err := Decode([]byte(text), Limits{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		m := &messages[0]
		held := m.Held().Message("abc")
		advice := RetryAdvice(0, time.Minute)
		want, got := AppendReply(nil, Reply{To: m, Advice: advice}), AppendReply(nil, Reply{To: &held, Advice: advice})
		if string(got) != string(want) {
			t.Errorf("%s\nis answered with %s\nwant             %s", text, got, want)
		}
		batch, ok := m.Ack()
		if b, k := held.Ack(); b != batch || k != ok {
			t.Errorf("%s: acknowledges %d, %t, want %d, %t", text, b, k, batch, ok)
		}
	}
}
