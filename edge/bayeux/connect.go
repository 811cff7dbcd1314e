package bayeux

import (
	"strconv"
	"time"
)

// CheckConnect returns why m cannot wait for messages, or nil. known says whether the session that m names exists. The
// last check that fails decides. The type of connection is not compared with the transport that m came by.
func CheckConnect(m *Message, known bool) error {
	if !m.ConnectionType.Truthy() {
		return missing("connectionType")
	}
	if connectionType := m.ConnectionType.Text(); !supported(connectionType) {
		return connectionTypes(connectionType)
	}
	if err := checkSession(m, known); err != nil {
		return err
	}
	if len(m.ID) > maxConnectID {
		return badRequest("id")
	}
	return sent(m)
}

// maxConnectID bounds the id of a connect, in bytes of JSON: it is kept while the connect is held, and with the session until
// the next one. Those of Faye's clients and CometD's have less than ten.
const maxConnectID = 256

// checkSession is for all verbs that need a session.
func checkSession(m *Message, known bool) error {
	if !m.ClientID.Truthy() {
		return missing("clientId")
	}
	if !known {
		return unknownClient(m.ClientID.Text())
	}
	return nil
}

// EventSource reports whether m is the connect of a client that gets its messages by EventSource: it is answered at
// once, and its advice is EventSourceAdvice.
func (m *Message) EventSource() bool { return string(m.ConnectionType.bytes()) == "eventsource" }

// Resumption returns what the opening of an event stream says: the connect of a client that has got everything up to a
// cursor, if that is one.
func Resumption(clientID, cursor string) Message {
	m := Message{ClientID: appendString(nil, clientID)}
	if cursor != "" {
		m.Ext = append(appendString([]byte(`{"since":`), cursor), '}')
	}
	return m
}

// Held is what is kept of a connect that waits to be answered: there is one for every client. It takes a tenth of what the
// message does.
type Held struct {
	id   string // the text of the field
	ack  string // the same, of the member of "ext", if it is the number of a batch
	time *TimeSync
}

// Held returns what the reply to a connect needs of it.
func (m *Message) Held() Held {
	h := Held{id: string(m.ID), time: m.Time}
	if _, ok := m.Ack(); ok {
		h.ack = string(m.Ext.Member("ack"))
	}
	return h
}

// Message returns the connect of a client, with nothing in it that its reply does not need.
func (h Held) Message(clientID string) Message {
	m := Message{Channel: Value(`"/meta/connect"`), ClientID: appendString(nil, clientID), ID: Value(h.id), Time: h.time}
	if h.ack != "" {
		m.Ext = Value(`{"ack":` + h.ack + `}`)
	}
	return m
}

// Hold returns how long a connect may wait for messages: limit, or less if the client asks for it in advice.timeout.
// A timeout that is no number of milliseconds means not at all.
func (m *Message) Hold(limit time.Duration) time.Duration {
	if m.EventSource() {
		return 0
	}
	timeout := m.Advice.Member("timeout")
	if timeout == nil {
		return limit
	}
	millis, err := strconv.ParseFloat(string(timeout), 64)
	switch {
	case millis >= float64(limit/time.Millisecond):
		return limit // also for a number too large for a float, which is an error and infinite
	case err != nil || millis <= 0:
		return 0
	}
	return time.Duration(millis * float64(time.Millisecond))
}
