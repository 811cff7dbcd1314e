package pandapush

// Message is one publication. Its Data is shared by everyone that holds the message: never change it.
type Message struct {
	Channel Channel
	Data    []byte // the publisher's JSON text, untouched
	Cursor  Cursor // set by the stream; zero before the message is appended
	Notice  bool   // the server's own: who joined or left a room, which channels are in use
}
