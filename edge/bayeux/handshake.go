package bayeux

import "slices"

// supportedTypes are the server's types of connection, always told in full. Old clients name fewer than they know, and learn from the
// server's list that they may change to WebSocket; a client that finds none of its own throws.
const supportedTypes = `["long-polling","cross-origin-long-polling","callback-polling","websocket","eventsource","in-process"]`

// supported reports whether the server takes connections of that type. "in-process" is Faye's way inside one Node
// program: its clients name it, and it does no harm.
func supported(connectionType string) bool {
	switch connectionType {
	case "long-polling", "cross-origin-long-polling", "callback-polling", "websocket", "eventsource", "in-process":
		return true
	}
	return false
}

// CheckHandshake returns why m cannot begin a session, or nil. The last check that fails decides, as in Faye. The
// version must be there and may be anything.
func CheckHandshake(m *Message) error {
	if !m.SupportedConnectionTypes.Truthy() {
		return missing("supportedConnectionTypes")
	}
	// A string in place of an array supports nothing, even if it is one of the types.
	types := m.SupportedConnectionTypes.Texts()
	if m.SupportedConnectionTypes[0] != '[' || !slices.ContainsFunc(types, supported) {
		return connectionTypes(types...)
	}
	if !m.Version.Truthy() {
		return missing("version")
	}
	return sent(m)
}
