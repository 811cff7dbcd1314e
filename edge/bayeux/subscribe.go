package bayeux

// Subscriptions returns the channels and patterns that a subscribe or unsubscribe names, be it one or an array. What is
// no string is there as its JSON text, which is never a valid name.
func (m *Message) Subscriptions() []string { return m.Subscription.Texts() }

// CheckSubscribe returns why m cannot subscribe, or nil. known says whether the session that m names exists; denied is
// what the authorisation of the channels came to. It weighs less than anything that is wrong with the message itself.
// It is all or nothing: Faye subscribes to those channels of an array that come before the bad one.
func CheckSubscribe(m *Message, known bool, denied error) error {
	switch err := checkSubscriptions(m, known); {
	case err != nil:
		return err
	case denied != nil:
		return denied
	}
	return sent(m)
}

// checkSubscriptions returns what is wrong with the session or the names. A missing name outweighs the session, as it
// comes last in Faye; a wrong one does not, since Faye looks at names only when all else is well.
func checkSubscriptions(m *Message, known bool) error {
	if !m.Subscription.Truthy() {
		return missing("subscription")
	}
	if err := checkSession(m, known); err != nil {
		return err
	}
	for _, name := range m.Subscriptions() {
		switch {
		case !ValidName(name) && !ValidPattern(name):
			return invalidChannel(name)
		case IsMeta(name) || IsService(name):
			return ForbiddenChannel(name)
		}
	}
	return nil
}
