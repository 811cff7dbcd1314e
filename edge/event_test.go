package edge

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/pandapush/pandapush"
)

// FuzzEvent checks that whatever is published is one event, and the same JSON.
func FuzzEvent(f *testing.F) {
	for _, seed := range []string{`{}`, "{\n\"a\":\r\n[1,\r2]}", `{"text":"a\nb data: c"}`, "\"\u2028\"", "\n\n{}"} {
		f.Add([]byte(seed))
	}
	channel, err := pandapush.ParseChannel("/app/public/a")
	if err != nil {
		f.Fatal(err)
	}
	id := pandapush.Cursor{Epoch: pandapush.NewEpoch("app"), Position: pandapush.Position{Millis: 7, Seq: 1}}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want bytes.Buffer
		if json.Compact(&want, data) != nil {
			t.Skip()
		}
		d := encode(&pandapush.Message{Channel: channel, Data: data, Cursor: id})
		begin := "id: " + id.String() + "\ndata: "
		for _, form := range []struct {
			event         []byte
			before, after string
		}{{appendEvent(nil, d), "", ""}, {appendBayeuxEvent(nil, d), "[", "]"}} {
			text, ok := bytes.CutPrefix(form.event, []byte(begin+form.before))
			text, closed := bytes.CutSuffix(text, []byte(form.after+"\n\n"))
			if !ok || !closed || bytes.ContainsAny(text, "\r\n") {
				t.Fatalf("%q is not one event", form.event)
			}
			var m message
			var got bytes.Buffer
			if err := json.Unmarshal(text, &m); err != nil || json.Compact(&got, m.Data) != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Fatalf("%s became %s (%v)", data, m.Data, err)
			}
		}
	})
}
