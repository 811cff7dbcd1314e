package bayeux

import "bytes"

// Limits bounds what Decode takes.
type Limits struct {
	Messages int // in one frame; zero means DefaultMessages
	Depth    int // of nested arrays and objects, those of the frame itself included; zero means DefaultDepth
}

// What zero Limits mean. Faye's clients send a handful of messages in a frame.
const (
	DefaultMessages = 1000
	DefaultDepth    = 256
)

// Message is one message of a client: the fields that Bayeux knows, each as it was sent. Decode has checked that they
// are JSON and nothing more; the checks of each verb do the rest. All other fields are forgotten.
type Message struct {
	Channel                  Value
	ClientID                 Value
	ID                       Value
	Data                     Value // nil if absent; the text null if that was published
	Ext                      Value
	Error                    Value // set by clients to no good; see CheckPublish and its like
	Subscription             Value
	ConnectionType           Value
	SupportedConnectionTypes Value
	Version                  Value
	Advice                   Value

	Time *TimeSync // what ReceiveTime returned, for the reply; not set by Decode
}

// Decode reads the messages of a frame and appends them to dst: of an array of objects, or of one object. A null is no
// message; any other element that is no object is a message without fields, as Faye has it. It allocates nothing but what
// dst needs to grow. The messages alias frame.
//
// The error is a *SyntaxError (ErrNotJSON), ErrNotMessages, ErrTooManyMessages or ErrTooDeep; dst is then returned as it
// was.
func Decode(frame []byte, limits Limits, dst []Message) ([]Message, error) {
	if limits.Messages == 0 {
		limits.Messages = DefaultMessages
	}
	if limits.Depth == 0 {
		limits.Depth = DefaultDepth
	}
	s := scan(frame, limits.Depth)
	messages, top := dst, error(nil)
	s.space()
	switch s.peek() {
	case '[':
		for more := s.open(']'); more; more = s.more(']') {
			messages = s.message(messages)
			if len(messages)-len(dst) > limits.Messages {
				return dst, ErrTooManyMessages
			}
		}
	case '{', 'n':
		messages = s.message(messages)
	default:
		s.value()
		top = ErrNotMessages
	}
	if err := s.finish(len(frame)); err != nil {
		return dst, err
	}
	if top != nil {
		return dst, top
	}
	return messages, nil
}

// message reads one element of a frame and appends the message that it is, if it is one.
func (s *scanner) message(dst []Message) []Message {
	s.space()
	switch s.peek() {
	case 'n':
		s.literal("null")
		return dst
	case '{':
		dst = append(dst, Message{})
		s.object(&dst[len(dst)-1])
		return dst
	}
	s.value()
	return append(dst, Message{})
}

// set puts a member into its field. The last one of a name wins.
func (m *Message) set(name, value Value) {
	switch string(name.bytes()) {
	case "channel":
		m.Channel = value
	case "clientId":
		m.ClientID = value
	case "id":
		m.ID = value
	case "data":
		m.Data = value
	case "ext":
		m.Ext = value
	case "error":
		m.Error = value
	case "subscription":
		m.Subscription = value
	case "connectionType":
		m.ConnectionType = value
	case "supportedConnectionTypes":
		m.SupportedConnectionTypes = value
	case "version":
		m.Version = value
	case "advice":
		m.Advice = value
	}
}

// Clone returns a copy of m that shares nothing with the frame.
func (m Message) Clone() Message {
	for _, field := range []*Value{
		&m.Channel, &m.ClientID, &m.ID, &m.Data, &m.Ext, &m.Error, &m.Subscription, &m.ConnectionType,
		&m.SupportedConnectionTypes, &m.Version, &m.Advice,
	} {
		*field = bytes.Clone(*field)
	}
	return m
}

// Verb is what a message asks for. Its channel says so.
type Verb int

// The verbs of Bayeux. A message on any channel that is not a meta channel is a publish, even if its name is wrong.
const (
	Publish Verb = iota
	Handshake
	Connect
	Disconnect
	Subscribe
	Unsubscribe
	Unknown // a meta channel that does not exist: the answer is ForbiddenChannel
)

// Verb returns what m asks for. Names are compared as a whole: "/meta/subscribe/x" is Unknown.
func (m *Message) Verb() Verb {
	channel := m.Channel.bytes()
	switch string(channel) {
	case "/meta/handshake":
		return Handshake
	case "/meta/connect":
		return Connect
	case "/meta/disconnect":
		return Disconnect
	case "/meta/subscribe":
		return Subscribe
	case "/meta/unsubscribe":
		return Unsubscribe
	}
	if bytes.HasPrefix(channel, []byte("/meta")) && IsMeta(string(channel)) {
		return Unknown
	}
	return Publish
}
