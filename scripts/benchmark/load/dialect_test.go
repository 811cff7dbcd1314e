package load

import (
	"strings"
	"testing"
	"time"
)

// TestMessagesAreFoundInEveryDialect has each dialect's frame with two messages counted.
func TestMessagesAreFoundInEveryDialect(t *testing.T) {
	first, second := string(message(7, 1, 128)), string(message(8, 2, 128))
	if len(first) != 128 {
		t.Errorf("a message of %d bytes", len(first))
	}
	for name, frame := range map[string]string{
		"Bayeux":     `[{"channel":"/a/public/b","data":` + first + `,"id":"e-1-0"},{"channel":"/a/public/b","data":` + second + `,"id":"e-2-0"}]`,
		"Centrifuge": `{"push":{"channel":"c","pub":{"data":` + first + "}}}\n" + `{"push":{"channel":"c","pub":{"data":` + second + `}}}`,
		"Socket.IO":  `42["message",` + first + `,` + second + `]`,
		"Plain":      first + second,
	} {
		c := &Client{loop: &Loop{began: time.Now()}, dialect: Bayeux{Secret: "s"}, latencies: NewLatencies(), last: 6}
		c.received([]byte(frame))
		if c.Received != 2 || c.Lost != 0 || c.Repeated != 0 || c.last != 8 {
			t.Errorf("%s: %+v", name, c)
		}
		if cursor := string(c.cursor[:c.length]); name == "Bayeux" && cursor != "e-2-0" {
			t.Errorf("the cursor is %q", cursor)
		}
	}
}

func TestResponsesMayComeInParts(t *testing.T) {
	whole := "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 5\r\n\r\nhello"
	for cut := range len(whole) {
		if size := response([]byte(whole[:cut])); size != 0 {
			t.Fatalf("%q is taken for whole", whole[:cut])
		}
	}
	if size := response([]byte(whole + "HTTP/1.1")); size != len(whole) {
		t.Errorf("%d bytes of %d", size, len(whole))
	}
	if empty := "HTTP/1.1 204 No Content\r\n\r\n"; response([]byte(empty)) != len(empty) {
		t.Error("a response without a body is not whole")
	}
}

func TestLatenciesBeyondTheScaleAreNotLost(t *testing.T) {
	l := NewLatencies()
	l.record(-time.Second)
	l.record(time.Millisecond)
	l.record(time.Hour)
	if n := l.histogram.TotalCount(); n != 3 {
		t.Errorf("%d of 3 were recorded", n)
	}
	if got := l.Quantile(50); got < 990*time.Microsecond || got > 1010*time.Microsecond {
		t.Errorf("the median is %s", got)
	}
	if got := l.Quantile(100); got < longest {
		t.Errorf("the longest is %s", got)
	}
}

func TestRequestsNameTheChannel(t *testing.T) {
	for _, d := range []Dialect{Bayeux{WebSocket: "/push", Secret: "s"}, Bayeux{WebSocket: "/bayeux"}, Centrifuge{}, SocketIO{}, Plain{}} {
		r := d.Request("/a/public/b", []byte(`{"n":1}`))
		if all := r.Path + string(r.Body); !strings.Contains(all, "/a/public/b") || !strings.Contains(all, `{"n":1}`) {
			t.Errorf("%T: %s", d, all)
		}
		if r.Header != "" && !strings.HasSuffix(r.Header, "\r\n") {
			t.Errorf("%T: the header %q does not end", d, r.Header)
		}
	}
}
