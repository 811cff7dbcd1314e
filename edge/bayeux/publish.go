package bayeux

// CheckPublish returns why m cannot be published, or nil. denied is what the authorisation of the channel came to; the
// form of the message weighs more. No session is needed: Faye's clients send again what was not answered, under the name
// of a session that may be gone.
func CheckPublish(m *Message, denied error) error {
	channel := m.Channel.Text()
	switch {
	case m.Data == nil:
		return missing("data")
	case !ValidName(channel):
		return invalidChannel(channel)
	case denied != nil:
		return denied
	}
	return sent(m)
}
