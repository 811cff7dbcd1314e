package bayeux

// CheckDisconnect returns why m cannot end its session, or nil. known says whether the session that m names exists.
func CheckDisconnect(m *Message, known bool) error {
	if err := checkSession(m, known); err != nil {
		return err
	}
	return sent(m)
}
