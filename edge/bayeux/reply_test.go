package bayeux_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// The six types in the order in which Faye gives them.
const types = `"version":"1.0","supportedConnectionTypes":["long-polling","cross-origin-long-polling",` +
	`"callback-polling","websocket","eventsource","in-process"],`

func TestReply(t *testing.T) {
	retry := bayeux.RetryAdvice(0, 30*time.Second)
	for _, tc := range []struct {
		name    string
		request string
		reply   bayeux.Reply
		want    string
	}{
		{
			"handshake", `{"channel":"/meta/handshake","id":"1","clientId":"mine","ext":{"a":1}}`,
			bayeux.Reply{ClientID: "new", Advice: retry},
			`{"id":"1","clientId":"new","channel":"/meta/handshake",` + types +
				`"advice":{"reconnect":"retry","interval":0,"timeout":30000,"maxInterval":30000},"successful":true}`,
		},
		{
			"handshake refused", `{"channel":"/meta/handshake","id":"1","clientId":"mine"}`,
			bayeux.Reply{Err: pandapush.Refusal("nope"), ClientID: "new"},
			`{"id":"1","channel":"/meta/handshake",` + types +
				`"error":"nope","advice":{"reconnect":"handshake","interval":1000},"successful":false}`,
		},
		{
			"connect", `{"channel":"/meta/connect","id":7,"clientId":"abc"}`,
			bayeux.Reply{Advice: bayeux.RetryAdvice(250*time.Millisecond, 30*time.Second)},
			`{"id":7,"clientId":"abc","channel":"/meta/connect",` +
				`"advice":{"reconnect":"retry","interval":250,"timeout":30000,"maxInterval":29750},"successful":true}`,
		},
		{
			"connect by EventSource", `{"channel":"/meta/connect","id":7,"clientId":"abc","connectionType":"eventsource"}`,
			bayeux.Reply{Advice: bayeux.EventSourceAdvice(30 * time.Second)},
			`{"id":7,"clientId":"abc","channel":"/meta/connect",` +
				`"advice":{"reconnect":"retry","interval":30000,"timeout":0,"maxInterval":30000},"successful":true}`,
		},
		{
			"connect of nobody", `{"channel":"/meta/connect","id":"a","clientId":"abc"}`,
			bayeux.Reply{Err: pandapush.Refusal("401:abc:Unknown client"), Advice: bayeux.HandshakeAdvice(0)},
			`{"id":"a","channel":"/meta/connect","error":"401:abc:Unknown client",` +
				`"advice":{"reconnect":"handshake","interval":0},"successful":false}`,
		},
		{
			"disconnect", `{"channel":"/meta/disconnect","clientId":"abc"}`,
			bayeux.Reply{},
			`{"clientId":"abc","channel":"/meta/disconnect","successful":true}`,
		},
		{
			"disconnect of nobody", `{"channel":"/meta/disconnect","clientId":"abc"}`,
			bayeux.Reply{Err: pandapush.Refusal("no")},
			`{"channel":"/meta/disconnect","error":"no","successful":false}`,
		},
		{
			"subscribe", `{"channel":"/meta/subscribe","clientId":"abc","subscription":"/foo"}`,
			bayeux.Reply{Ext: []byte(`{"presence":{"subscribe":{}}}`)},
			`{"clientId":"abc","channel":"/meta/subscribe","subscription":"/foo","ext":{"presence":{"subscribe":{}}},"successful":true}`,
		},
		{
			"subscribe several", `{"channel":"/meta/subscribe","clientId":"abc","subscription":["/foo","bad"]}`,
			bayeux.Reply{Err: pandapush.Refusal("405:bad:Invalid channel")},
			`{"clientId":"abc","channel":"/meta/subscribe","subscription":["/foo","bad"],"error":"405:bad:Invalid channel","successful":false}`,
		},
		{
			"subscribe to nothing", `{"channel":"/meta/subscribe","clientId":"abc","subscription":""}`,
			bayeux.Reply{Err: pandapush.Refusal("no")},
			`{"clientId":"abc","channel":"/meta/subscribe","subscription":[],"error":"no","successful":false}`,
		},
		{
			"unsubscribe", `{"channel":"/meta/unsubscribe","id":"\u0031","subscription":[]}`,
			bayeux.Reply{},
			`{"id":"\u0031","channel":"/meta/unsubscribe","subscription":[],"successful":true}`,
		},
		{
			"publish", `{"channel":"/foo","data":{"a":1},"clientId":"abc","id":"x"}`,
			bayeux.Reply{},
			`{"id":"x","clientId":"abc","channel":"/foo","successful":true}`,
		},
		{
			"nothing", `{"id":0,"clientId":"","channel":null,"error":7}`,
			bayeux.Reply{Err: pandapush.Refusal("a\"\\\n\u2028\xff")},
			`{"error":"a\"\\\u000a\u2028` + "\ufffd" + `","successful":false}`,
		},
	} {
		tc.reply.To = decode(t, tc.request)
		if got := string(bayeux.AppendReply([]byte("["), tc.reply)); got != "["+tc.want {
			t.Errorf("%s:\n got %s\nwant [%s", tc.name, got, tc.want)
		}
	}
}

// TestEveryTypeIsSupported holds the list that clients are told against the one that is checked.
func TestEveryTypeIsSupported(t *testing.T) {
	var reply struct{ SupportedConnectionTypes []string }
	m := decode(t, `{"channel":"/meta/handshake"}`)
	if err := json.Unmarshal(bayeux.AppendReply(nil, bayeux.Reply{To: m}), &reply); err != nil {
		t.Fatal(err)
	}
	for _, name := range reply.SupportedConnectionTypes {
		if err := bayeux.CheckConnect(decode(t, `{"clientId":"a","connectionType":"`+name+`"}`), true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRevocation(t *testing.T) {
	got := string(bayeux.AppendRevocation(nil, "abc", "/a/private/*", pandapush.ErrRevokedKey, bayeux.Advice{}))
	want := `{"clientId":"abc","channel":"/meta/unsubscribe","subscription":"/a/private/*","error":"Revoked key","successful":false}`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestErrorsSurviveEncoding reads the error of a reply back with encoding/json, whatever is in it.
func TestErrorsSurviveEncoding(t *testing.T) {
	m := decode(t, `{}`)
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.String().Draw(t, "error")
		var got struct{ Error *string }
		reply := bayeux.AppendReply(nil, bayeux.Reply{To: m, Err: pandapush.Refusal(want)})
		if err := json.Unmarshal(reply, &got); err != nil || got.Error == nil || *got.Error != want {
			t.Fatalf("%s, %v; want the error %q", reply, err, want)
		}
	})
}

func TestDelivery(t *testing.T) {
	id := pandapush.Cursor{Epoch: "abcdefghijkl", Position: pandapush.Position{Millis: 5, Seq: 1}}
	got := string(bayeux.AppendDelivery(nil, "/devapp/public/a", []byte(`{"big":9007199254740993}`), id))
	want := `{"channel":"/devapp/public/a","data":{"big":9007199254740993},"id":"abcdefghijkl-5-1"}`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkAppendDelivery(b *testing.B) {
	data := []byte(`{"from":"someone","text":"hello, world"}`)
	id := pandapush.Cursor{Epoch: pandapush.NewEpoch("devapp"), Position: pandapush.Position{Millis: 1795000000000, Seq: 1}}
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		dst = bayeux.AppendDelivery(dst[:0], "/devapp/public/messages", data, id)
	}
}

func BenchmarkAppendReply(b *testing.B) {
	m := decode(b, publishFrame)
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		dst = bayeux.AppendReply(dst[:0], bayeux.Reply{To: m})
	}
}
