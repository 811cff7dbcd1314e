package bayeux_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

const second = time.Second

// check asks what is wrong with a message of any verb, as package edge does.
func check(m *bayeux.Message, known bool) error {
	switch m.Verb() {
	case bayeux.Handshake:
		return bayeux.CheckHandshake(m)
	case bayeux.Connect:
		return bayeux.CheckConnect(m, known)
	case bayeux.Disconnect:
		return bayeux.CheckDisconnect(m, known)
	case bayeux.Subscribe:
		return bayeux.CheckSubscribe(m, known, nil)
	case bayeux.Unsubscribe:
		return bayeux.CheckUnsubscribe(m, known)
	case bayeux.Publish:
		return bayeux.CheckPublish(m, nil)
	}
	return bayeux.ForbiddenChannel(m.Channel.Text())
}

// ok and fail are the rows of the tables: the fields of a message, and the error that they get.
func ok(fields string) row         { return row{fields: fields} }
func fail(fields, want string) row { return row{fields, want} }

type row struct{ fields, want string }

func expect(t *testing.T, rows []row, check func(m *bayeux.Message) error) {
	t.Helper()
	for _, row := range rows {
		got := ""
		if err := check(decode(t, "{"+row.fields+"}")); err != nil {
			got = bayeux.ErrorText(err)
		}
		if got != row.want {
			t.Errorf("{%s}: %q, want %q", row.fields, got, row.want)
		}
	}
}

func TestHandshake(t *testing.T) {
	const types = `"supportedConnectionTypes":["long-polling"]`
	expect(t, []row{
		ok(`"version":"1.0",` + types),
		ok(`"version":"2.0",` + types),
		ok(`"version":1,` + types),
		ok(`"version":"1.0","supportedConnectionTypes":["iframe",7,"eventsource"],"minimumVersion":"1.0","ext":{},"clientId":"mine"`),
		fail(types, "402:version:Missing required parameter"),
		fail(`"version":"",`+types, "402:version:Missing required parameter"),
		fail(`"version":"1.0"`, "402:supportedConnectionTypes:Missing required parameter"),
		fail(`"version":"1.0","supportedConnectionTypes":null`, "402:supportedConnectionTypes:Missing required parameter"),
		fail(``, "402:supportedConnectionTypes:Missing required parameter"),
		fail(`"version":"1.0","supportedConnectionTypes":["iframe","flash"]`, "301:iframe,flash:Connection types not supported"),
		fail(`"supportedConnectionTypes":["iframe"]`, "301:iframe:Connection types not supported"),
		fail(`"version":"1.0","supportedConnectionTypes":[]`, "301::Connection types not supported"),
		fail(`"version":"1.0","supportedConnectionTypes":"long-polling"`, "301:long-polling:Connection types not supported"),
		fail(`"version":"1.0","error":"nope",`+types, "nope"),
		fail(`"error":"nope",`+types, "402:version:Missing required parameter"),
		ok(`"version":"1.0","error":"",` + types),
		ok(`"version":"1.0","error":{"not":"a string"},` + types),
	}, bayeux.CheckHandshake)
}

func TestConnect(t *testing.T) {
	const session, ws = `"clientId":"abc",`, `"connectionType":"websocket"`
	expect(t, []row{
		ok(session + ws),
		ok(session + `"connectionType":"long-polling"`),
		ok(session + `"connectionType":"cross-origin-long-polling"`),
		ok(session + `"connectionType":"callback-polling"`),
		ok(session + `"connectionType":"eventsource"`),
		ok(session + `"connectionType":"in-process"`),
		fail(ws, "402:clientId:Missing required parameter"),
		fail(`"clientId":0,`+ws, "402:clientId:Missing required parameter"),
		fail(session+`"id":"1"`, "402:connectionType:Missing required parameter"),
		fail(session+`"connectionType":"flash"`, "301:flash:Connection types not supported"),
		fail(session+`"connectionType":["websocket"]`, `301:["websocket"]:Connection types not supported`),
		fail(session+`"error":"no",`+ws, "no"),
		ok(session + `"id":"` + strings.Repeat("x", 254) + `",` + ws),
		fail(session+`"id":"`+strings.Repeat("x", 255)+`",`+ws, "400:id:Bad request"),
		fail(`"connectionType":"flash"`, "301:flash:Connection types not supported"),
	}, func(m *bayeux.Message) error { return bayeux.CheckConnect(m, true) })
	expect(t, []row{
		fail(session+ws, "401:abc:Unknown client"),
		fail(`"clientId":42,`+ws, "401:42:Unknown client"),
		fail(session+`"error":"no",`+ws, "401:abc:Unknown client"),
		fail(ws, "402:clientId:Missing required parameter"),
		fail(session+`"id":"1"`, "402:connectionType:Missing required parameter"),
	}, func(m *bayeux.Message) error { return bayeux.CheckConnect(m, false) })
}

func TestHold(t *testing.T) {
	const limit = 30 * time.Second
	for fields, want := range map[string]time.Duration{
		``:                                    limit,
		`"advice":{}`:                         limit,
		`"advice":5`:                          limit,
		`"advice":{"timeout":500}`:            500 * time.Millisecond,
		`"advice":{"timeout":0.5}`:            500 * time.Microsecond,
		`"advice":{"timeout":0}`:              0,
		`"advice":{"timeout":-5}`:             0,
		`"advice":{"timeout":null}`:           0,
		`"advice":{"timeout":"500"}`:          0,
		`"advice":{"timeout":[]}`:             0,
		`"advice":{"timeout":300000}`:         limit,
		`"advice":{"timeout":1e999}`:          limit,
		`"advice":{"timeout":-1e999}`:         0,
		`"advice":{"timeout":0,"timeout":10}`: 10 * time.Millisecond,
		`"connectionType":"eventsource"`:      0,
		`"connectionType":"websocket"`:        limit,
	} {
		if got := decode(t, "{"+fields+"}").Hold(limit); got != want {
			t.Errorf("hold for {%s} = %v, want %v", fields, got, want)
		}
	}
}

func TestDisconnect(t *testing.T) {
	expect(t, []row{
		ok(`"clientId":"abc"`),
		fail(`"id":"1"`, "402:clientId:Missing required parameter"),
		fail(`"clientId":"abc","error":"no"`, "no"),
	}, func(m *bayeux.Message) error { return bayeux.CheckDisconnect(m, true) })
	expect(t, []row{
		fail(`"clientId":"abc"`, "401:abc:Unknown client"),
		fail(`"id":"1"`, "402:clientId:Missing required parameter"),
	}, func(m *bayeux.Message) error { return bayeux.CheckDisconnect(m, false) })
}

// subscribeRows hold for subscribe and unsubscribe, in a session that exists.
func subscribeRows() []row {
	const session = `"clientId":"abc",`
	rows := []row{
		ok(session + `"subscription":"/foo"`),
		ok(session + `"subscription":["/foo","/bar"]`),
		ok(session + `"subscription":[]`),
		ok(session + `"subscription":["/*","/**","/foo/*","/foo/**"]`),
		ok(session + `"subscription":"/a!b/(c)/$d@e~_-"`),
		ok(session + `"subscription":"/metax"`),
		fail(`"subscription":"/foo"`, "402:clientId:Missing required parameter"),
		fail(session+`"id":1`, "402:subscription:Missing required parameter"),
		fail(session+`"subscription":""`, "402:subscription:Missing required parameter"),
		fail(session+`"subscription":null`, "402:subscription:Missing required parameter"),
		fail(`"id":1`, "402:subscription:Missing required parameter"),
		fail(session+`"subscription":42`, "405:42:Invalid channel"),
		fail(session+`"subscription":[42]`, "405:42:Invalid channel"),
		fail(session+`"subscription":["/ok1","bad","/ok2"]`, "405:bad:Invalid channel"),
		fail(session+`"subscription":["/ok","/meta/x","bad"]`, "403:/meta/x:Forbidden channel"),
		fail(session+`"subscription":"/foo","error":"invalid"`, "invalid"),
	}
	for _, name := range []string{
		"foo", "/", "/foo/", "/foo//bar", "//foo", "/fo o", "/f.x", "/föö", "/foo/**/bar", "/foo/**/*", "/*/x", "/foo*", "/***", "*", "/meta/x/",
	} {
		rows = append(rows, fail(session+`"subscription":"`+name+`"`, "405:"+name+":Invalid channel"))
	}
	for _, name := range []string{
		"/meta", "/meta/foo", "/meta/*", "/meta/**", "/meta/subscribe/x", "/service", "/service/x", "/service/**",
	} {
		rows = append(rows, fail(session+`"subscription":"`+name+`"`, "403:"+name+":Forbidden channel"))
	}
	return rows
}

func TestSubscribe(t *testing.T) {
	expect(t, subscribeRows(), func(m *bayeux.Message) error { return bayeux.CheckSubscribe(m, true, nil) })
	expect(t, []row{
		fail(`"clientId":"abc","subscription":"/foo"`, "401:abc:Unknown client"),
		fail(`"subscription":"/foo"`, "402:clientId:Missing required parameter"),
		fail(`"clientId":"abc"`, "402:subscription:Missing required parameter"),
		fail(`"clientId":"abc","subscription":"bad"`, "401:abc:Unknown client"),
		fail(`"clientId":"abc","subscription":"/foo","error":"no"`, "401:abc:Unknown client"),
	}, func(m *bayeux.Message) error { return bayeux.CheckSubscribe(m, false, pandapush.ErrNoAuth) })
}

func TestSubscribeDenied(t *testing.T) {
	expect(t, []row{
		fail(`"clientId":"abc","subscription":"/foo"`, "No auth supplied"),
		fail(`"clientId":"abc","subscription":"/foo","error":"no"`, "No auth supplied"),
		fail(`"clientId":"abc","subscription":"bad"`, "405:bad:Invalid channel"),
		fail(`"clientId":"abc","subscription":"/meta/x"`, "403:/meta/x:Forbidden channel"),
		fail(`"clientId":"abc"`, "402:subscription:Missing required parameter"),
	}, func(m *bayeux.Message) error { return bayeux.CheckSubscribe(m, true, pandapush.ErrNoAuth) })
	expect(t, []row{
		fail(`"clientId":"abc","subscription":"/foo"`, "500::Internal server error"),
	}, func(m *bayeux.Message) error {
		return bayeux.CheckSubscribe(m, true, errors.New("dial redis: refused"))
	})
}

func TestUnsubscribe(t *testing.T) {
	expect(t, subscribeRows(), func(m *bayeux.Message) error { return bayeux.CheckUnsubscribe(m, true) })
	expect(t, []row{
		fail(`"clientId":"abc","subscription":"/foo"`, "401:abc:Unknown client"),
	}, func(m *bayeux.Message) error { return bayeux.CheckUnsubscribe(m, false) })
}

func TestPublish(t *testing.T) {
	rows := []row{
		ok(`"channel":"/foo","data":{}`),
		ok(`"channel":"/service/x","data":1,"clientId":"nobody"`),
		fail(`"channel":"/foo"`, "402:data:Missing required parameter"),
		fail(`"channel":"foo"`, "402:data:Missing required parameter"),
		fail(``, "402:data:Missing required parameter"),
		fail(`"data":1`, "405::Invalid channel"),
		fail(`"data":1,"channel":7`, "405:7:Invalid channel"),
		fail(`"data":1,"channel":"foo"`, "405:foo:Invalid channel"),
		fail(`"data":1,"channel":"/foo/*"`, "405:/foo/*:Invalid channel"),
		fail(`"data":1,"channel":"/foo/**"`, "405:/foo/**:Invalid channel"),
		fail(`"data":1,"channel":"/foo\n/bar"`, "405:/foo\n/bar:Invalid channel"),
		fail(`"data":1,"channel":"foo","error":"invalid"`, "405:foo:Invalid channel"),
		fail(`"data":1,"channel":"/foo","error":"invalid"`, "invalid"),
	}
	for _, data := range []string{"null", "0", "false", `""`, "[]"} {
		rows = append(rows, ok(`"channel":"/foo","data":`+data))
	}
	expect(t, rows, func(m *bayeux.Message) error { return bayeux.CheckPublish(m, nil) })
	expect(t, []row{
		fail(`"channel":"/foo","data":1`, "Invalid secret"),
		fail(`"channel":"/foo","data":1,"error":"no"`, "Invalid secret"),
		fail(`"channel":"foo","data":1`, "405:foo:Invalid channel"),
		fail(`"channel":"/foo"`, "402:data:Missing required parameter"),
	}, func(m *bayeux.Message) error { return bayeux.CheckPublish(m, pandapush.ErrWrongSecret) })
}

func TestUnknownMetaChannel(t *testing.T) {
	expect(t, []row{
		fail(`"channel":"/meta/p","data":1`, "403:/meta/p:Forbidden channel"),
		fail(`"channel":"/meta"`, "403:/meta:Forbidden channel"),
		fail(`"channel":"/meta/subscribe/x","subscription":"/a"`, "403:/meta/subscribe/x:Forbidden channel"),
	}, func(m *bayeux.Message) error { return check(m, true) })
}

func TestErrorText(t *testing.T) {
	_, notJSON := bayeux.Decode([]byte(`[ }`), bayeux.Limits{}, nil)
	long := strings.Repeat("é", 1000)
	for _, tc := range []struct {
		err  error
		want string
	}{
		{notJSON, "400:not valid JSON at byte 2:Bad request"},
		{bayeux.ErrTooDeep, "400:nested too deeply:Bad request"},
		{errors.Join(errors.New("subscribe"), pandapush.ErrExpiredKey), "Expired key"},
		{pandapush.ErrUnavailable, "500::Internal server error"},
		{bayeux.PublishFailed("/a"), "407:/a:Failed to publish"},
		{bayeux.ForbiddenChannel("x" + long), "403:x" + long[:510] + ":Forbidden channel"},
		{bayeux.CheckPublish(decode(t, `{"channel":"/a","data":1,"error":"`+long+`"}`), nil), long[:256]},
	} {
		if got := bayeux.ErrorText(tc.err); got != tc.want {
			t.Errorf("ErrorText(%v) = %q, want %q", tc.err, got, tc.want)
		}
	}
}

func TestCredential(t *testing.T) {
	for ext, want := range map[string]pandapush.Credential{
		`null`:                         {},
		`"x"`:                          {},
		`{}`:                           {},
		`{"auth":null}`:                {},
		`{"auth":""}`:                  {},
		`{"auth":false,"token":"t"}`:   {},
		`{"auth":{}}`:                  {Given: true},
		`{"auth":7}`:                   {Given: true},
		`{"auth":"t"}`:                 {Given: true},
		`{"auth":{"token":null}}`:      {Given: true},
		`{"auth":{"Token":"t"}}`:       {Given: true},
		`{"auth":{"token":"t\u002e"}}`: {Token: "t.", Given: true},
		`{"auth":{"token":7}}`:         {Token: "7", Given: true},
		`{"auth":{"key":"k"}}`:         {Key: "k", Given: true},
		`{"auth":{"secret":"s"}}`:      {Secret: "s", Given: true},
		`{"auth":{"key":"k","secret":"s","token":"t"}}`: {Token: "t", Key: "k", Secret: "s", Given: true},
	} {
		if got := decode(t, `{"ext":`+ext+`}`).Credential(); got != want {
			t.Errorf("credential in %s: %#v", ext, got.Given)
		}
	}
}

func TestClientID(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := bayeux.NewClientID()
		if !bayeux.ValidClientID(id) || seen[id] {
			t.Fatalf("NewClientID() = %q, which is invalid or not new", id)
		}
		seen[id] = true
	}
	const good = "44xc8an24k1pei8l3aesjvktrz32go1"
	for id, want := range map[string]bool{
		good: true, "": false, "__proto__": false, good[1:]: false, good + "0": false, strings.ToUpper(good): false,
		good[:30] + "/": false, strings.Repeat("0", 31): true,
	} {
		if got := bayeux.ValidClientID(id); got != want {
			t.Errorf("ValidClientID(%q) = %v", id, got)
		}
	}
}
