package bayeux_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pandapush/pandapush/edge/bayeux"
)

// decode returns the one message of a frame.
func decode(tb testing.TB, frame string) *bayeux.Message {
	tb.Helper()
	messages, err := bayeux.Decode([]byte(frame), bayeux.Limits{}, nil)
	if err != nil || len(messages) != 1 {
		tb.Fatalf("Decode(%s) = %d messages, %v; want one", frame, len(messages), err)
	}
	return &messages[0]
}

func TestDecodeCountsMessages(t *testing.T) {
	for frame, want := range map[string]int{
		`null`: 0, ` [] `: 0, `[null]`: 0, `[null,{},null]`: 1, `{}`: 1, "\t{}\r\n": 1,
		`[1,"a",true]`: 3, `[[{}]]`: 1, `[{},{"channel":"invalid"}]`: 2, `[ { } , [ ] ]`: 2,
	} {
		got, err := bayeux.Decode([]byte(frame), bayeux.Limits{}, nil)
		if err != nil || len(got) != want {
			t.Errorf("Decode(%s) = %d messages, %v; want %d", frame, len(got), err, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	for _, tc := range []struct {
		frame string
		want  string
	}{
		{``, "not valid JSON at byte 0"},
		{`  `, "not valid JSON at byte 2"},
		{`[ }`, "not valid JSON at byte 2"},
		{`[1,]`, "not valid JSON at byte 3"},
		{`[1 2]`, "not valid JSON at byte 3"},
		{`{"a":1,}`, "not valid JSON at byte 7"},
		{`{"a" 1}`, "not valid JSON at byte 5"},
		{`{a:1}`, "not valid JSON at byte 1"},
		{`{}{}`, "not valid JSON at byte 2"},
		{`[{"data":nul}]`, "not valid JSON at byte 12"},
		{`[01]`, "not valid JSON at byte 2"},
		{`[1.]`, "not valid JSON at byte 3"},
		{`[1e+]`, "not valid JSON at byte 4"},
		{`[-]`, "not valid JSON at byte 2"},
		{`["a`, "not valid JSON at byte 3"},
		{"[\"a\nb\"]", "not valid JSON at byte 3"},
		{`["\x"]`, "not valid JSON at byte 2"},
		{`["\u12g4"]`, "not valid JSON at byte 2"},
		{`["\u12`, "not valid JSON at byte 2"},
		{"\ufeff[]", "not valid JSON at byte 0"},
		{"[\"\xff\"]", "not valid JSON at byte 2"},
		{"[]\xff", "not valid JSON at byte 2"},
		{"[\x00]", "not valid JSON at byte 1"},
		{"[ }\xff", "not valid JSON at byte 2"},
		{`/**/[]`, "not valid JSON at byte 0"},
		{`1`, "neither a message nor an array of messages"},
		{`"a"`, "neither a message nor an array of messages"},
		{`true`, "neither a message nor an array of messages"},
		{`1 x`, "not valid JSON at byte 2"},
		{deep, "nested too deeply"},
		{`{"data":` + deep, "nested too deeply"},
		{"[" + strings.Repeat("{},", 2000) + "{}]", "too many messages"},
	} {
		before := []bayeux.Message{{}}
		got, err := bayeux.Decode([]byte(tc.frame), bayeux.Limits{}, before)
		if err == nil || err.Error() != tc.want || len(got) != 1 {
			t.Errorf("Decode(%.40q) = %d messages, %v; want %q", tc.frame, len(got)-1, err, tc.want)
		}
	}
}

func TestDecodeKeepsWithinLimits(t *testing.T) {
	limits := bayeux.Limits{Messages: 2, Depth: 3}
	for frame, want := range map[string]error{
		`[{},{}]`:                             nil,
		`[{},null,{}]`:                        nil,
		`[{},{},{}]`:                          bayeux.ErrTooManyMessages,
		`[{"data":[1,[]]}]`:                   bayeux.ErrTooDeep,
		`[{"data":[1]},{"data":{},"ext":{}}]`: nil,
		`{"data":[{}]}`:                       nil,
		`{"data":[{"a":{}}]}`:                 bayeux.ErrTooDeep,
	} {
		if _, err := bayeux.Decode([]byte(frame), limits, nil); !errors.Is(err, want) {
			t.Errorf("Decode(%s) = %v, want %v", frame, err, want)
		}
	}
}

func TestFieldsAreAsSent(t *testing.T) {
	m := decode(t, `[ {"channel": "/a\/b", "id" : 7 , "data":{ "n": 9007199254740993, "x":1e21 },"data2":1,
		"ch\u0061nnel":"\/caf\u00e9\ud83d\ude00\ud800", "Channel":"/no", "__proto__":{"clientId":"x"}, "id":"last", "ext":null} ]`)
	for _, tc := range []struct {
		name string
		got  bayeux.Value
		want string
	}{
		{"channel", m.Channel, `"\/caf\u00e9\ud83d\ude00\ud800"`},
		{"id", m.ID, `"last"`},
		{"data", m.Data, `{ "n": 9007199254740993, "x":1e21 }`},
		{"ext", m.Ext, `null`},
		{"clientId", m.ClientID, ``},
	} {
		if string(tc.got) != tc.want {
			t.Errorf("%s = %s, want %s", tc.name, tc.got, tc.want)
		}
	}
	if got, want := m.Channel.Text(), "/café😀\ufffd"; got != want {
		t.Errorf("channel's text = %q, want %q", got, want)
	}
	if m.ClientID != nil || decode(t, `{"data":null}`).Data == nil {
		t.Error("absent must be nil, and null must not")
	}
}

func TestTruthy(t *testing.T) {
	for text, want := range map[string]bool{
		``: false, `null`: false, `false`: false, `""`: false, `0`: false, `-0`: false, `0.0`: false, `0e9`: false, `-0.00E+7`: false,
		`true`: true, `"0"`: true, `" "`: true, `1`: true, `0.1`: true, `1e-9`: true, `[]`: true, `{}`: true,
	} {
		if got := bayeux.Value(text).Truthy(); got != want {
			t.Errorf("Truthy(%s) = %v", text, got)
		}
	}
}

func TestMember(t *testing.T) {
	v := bayeux.Value(`{"a":1, "b" : {"a":2},"\u0061":[3] }`)
	for name, want := range map[string]string{"a": "[3]", "b": `{"a":2}`, "A": "", "c": ""} {
		if got := v.Member(name); string(got) != want {
			t.Errorf("Member(%s) = %s, want %s", name, got, want)
		}
	}
	if got := v.Member("b").Member("a").Text(); got != "2" {
		t.Errorf("b.a = %s", got)
	}
	for _, text := range []string{``, `null`, `"a"`, `["a"]`, `{}`} {
		if got := bayeux.Value(text).Member("a"); got != nil {
			t.Errorf("Member of %s = %s", text, got)
		}
	}
}

func TestVerb(t *testing.T) {
	for channel, want := range map[string]bayeux.Verb{
		`"/meta/handshake"`: bayeux.Handshake, `"/meta/connect"`: bayeux.Connect, `"/meta/disconnect"`: bayeux.Disconnect,
		`"/meta/subscribe"`: bayeux.Subscribe, `"/meta/unsubscribe"`: bayeux.Unsubscribe, `"\/meta\/connect"`: bayeux.Connect,
		`"/meta"`: bayeux.Unknown, `"/meta/*"`: bayeux.Unknown, `"/meta/subscribe/x"`: bayeux.Unknown, `"/meta/Connect"`: bayeux.Unknown,
		`"/metax"`: bayeux.Publish, `"/a/public/b"`: bayeux.Publish, `"/service/x"`: bayeux.Publish, `"/meta/x y"`: bayeux.Publish,
		`"/meta/connect\n"`: bayeux.Publish, `7`: bayeux.Publish, `null`: bayeux.Publish, `["/meta/connect"]`: bayeux.Publish,
	} {
		if got := decode(t, `{"channel":`+channel+`}`).Verb(); got != want {
			t.Errorf("verb of %s = %d, want %d", channel, got, want)
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	frame := []byte(`{"channel":"/meta/connect","clientId":"c","id":"1","advice":{"timeout":0},"version":"1.0","data":{}}`)
	messages, err := bayeux.Decode(frame, bayeux.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := decode(t, string(frame))
	clone := messages[0].Clone()
	clear(frame)
	if !reflect.DeepEqual(clone, *want) {
		t.Errorf("the clone changed with the frame: %s", clone.Channel)
	}
}

// FuzzDecode holds Decode against encoding/json, which differs by design in three things: it replaces bytes that are not
// UTF-8, goes deeper, and ignores case when it reads into structs (so it reads into maps here).
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		publishFrame, `null`, `[null,1,"a",[{}]]`, `{"ch\u0061nnel":"\ud83d\ude00\ud800x","channel":2}`, "[\"\xff\"]",
		`{"id":-0.5e+7,"data":null,"ext":{"auth":{"token":"t"}},"subscription":["/a","/b"]}`, `[1.]`, `{"a":"\u12`, "\ufeff[]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		messages, err := bayeux.Decode(frame, bayeux.Limits{}, nil)
		var wrong *bayeux.SyntaxError
		switch valid := json.Valid(frame) && utf8.Valid(frame); {
		case errors.Is(err, bayeux.ErrTooDeep), errors.Is(err, bayeux.ErrTooManyMessages):
			return
		case errors.As(err, &wrong):
			if valid || wrong.Offset < 0 || wrong.Offset > len(frame) {
				t.Fatalf("Decode(%q) = %v, but json.Valid says %v", frame, err, valid)
			}
			return
		case !valid:
			t.Fatalf("Decode(%q) = %v, but it is not JSON", frame, err)
		case err != nil:
			return
		}
		compareWithJSON(t, frame, messages)
	})
}

func compareWithJSON(t *testing.T, frame []byte, messages []bayeux.Message) {
	t.Helper()
	frame = bytes.TrimSpace(frame)
	var elements []json.RawMessage
	if frame[0] == '[' {
		if err := json.Unmarshal(frame, &elements); err != nil {
			t.Fatal(err)
		}
	} else {
		elements = []json.RawMessage{frame}
	}
	elements = slices.DeleteFunc(elements, func(e json.RawMessage) bool { return string(e) == "null" })
	if len(elements) != len(messages) {
		t.Fatalf("%d messages in %q, want %d", len(messages), frame, len(elements))
	}
	for i, m := range messages {
		fields := map[string]json.RawMessage{}
		if elements[i][0] == '{' {
			if err := json.Unmarshal(elements[i], &fields); err != nil {
				t.Fatal(err)
			}
		}
		for name, got := range map[string]bayeux.Value{
			"channel": m.Channel, "clientId": m.ClientID, "id": m.ID, "data": m.Data, "ext": m.Ext, "error": m.Error,
			"subscription": m.Subscription, "connectionType": m.ConnectionType, "version": m.Version, "advice": m.Advice,
			"supportedConnectionTypes": m.SupportedConnectionTypes,
		} {
			if string(got) != string(fields[name]) {
				t.Fatalf("%s of %q is %s, want %s", name, elements[i], got, fields[name])
			}
			compareText(t, got)
		}
	}
}

// compareText holds Text and Truthy against encoding/json, for strings.
func compareText(t *testing.T, v bayeux.Value) {
	t.Helper()
	var want string
	if len(v) == 0 || v[0] != '"' {
		return
	}
	if err := json.Unmarshal(v, &want); err != nil {
		t.Fatal(err)
	}
	if got := v.Text(); got != want || v.Truthy() != (want != "") {
		t.Fatalf("text of %s is %q, want %q", v, got, want)
	}
}

// FuzzMessage asks everything of whatever messages strangers send: nothing panics, and every reply is a JSON object.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`[{"channel":"/meta/subscribe","clientId":"c","subscription":["/a",7,null],"id":{"a":[]},"error":"\u2028"}]`), true)
	f.Add([]byte(`[{"channel":"/meta/connect","clientId":0,"connectionType":"x\u0000","advice":{"timeout":1e999}},{}]`), false)
	f.Add([]byte(`{"channel":"/meta/handshake","version":1,"supportedConnectionTypes":[{},"\ud800"],"ext":{"auth":{"token":[]}}}`), true)
	f.Fuzz(func(t *testing.T, frame []byte, known bool) {
		messages, err := bayeux.Decode(frame, bayeux.Limits{}, nil)
		if err != nil {
			return
		}
		for _, m := range messages {
			m.Credential()
			if hold := m.Hold(second); hold < 0 || hold > second {
				t.Fatalf("hold of %v", hold)
			}
			for _, err := range []error{check(&m, known), nil} {
				reply := bayeux.AppendReply(nil, bayeux.Reply{To: &m, Err: err, ClientID: "new"})
				var got map[string]json.RawMessage
				if json.Unmarshal(reply, &got) != nil || string(got["successful"]) != strconv.FormatBool(err == nil) || !utf8.Valid(reply) {
					t.Fatalf("reply %s", reply)
				}
			}
		}
	})
}

const publishFrame = `[{"channel":"/devapp/public/messages","data":{"from":"someone","text":"hello, world"},` +
	`"clientId":"44xc8an24k1pei8l3aesjvktrz32go1","id":"2x"}]`

func TestDecodeDoesNotAllocate(t *testing.T) {
	frame, dst := []byte(publishFrame), make([]bayeux.Message, 0, 4)
	allocs := testing.AllocsPerRun(100, func() {
		messages, err := bayeux.Decode(frame, bayeux.Limits{}, dst)
		if err != nil || messages[0].Verb() != bayeux.Publish {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}

func BenchmarkDecode(b *testing.B) {
	frame, dst := []byte(publishFrame), make([]bayeux.Message, 0, 4)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bayeux.Decode(frame, bayeux.Limits{}, dst); err != nil {
			b.Fatal(err)
		}
	}
}
