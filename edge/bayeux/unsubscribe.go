package bayeux

// CheckUnsubscribe returns why m cannot unsubscribe, or nil. known says whether the session that m names exists. No
// credential is needed, and what was never subscribed may be given up.
func CheckUnsubscribe(m *Message, known bool) error { return CheckSubscribe(m, known, nil) }

// AppendRevocation appends what tells a client that the server has ended a subscription: a reply to an unsubscribe that
// it did not send, with the reason for an error. Faye's clients pass over it, but for the advice; CometD's hand it to those
// who listen for failures.
func AppendRevocation(dst []byte, clientID, pattern string, why error, advice Advice) []byte {
	dst = append(dst, `{"clientId":`...)
	dst = appendString(dst, clientID)
	dst = append(dst, `,"channel":"/meta/unsubscribe","subscription":`...)
	dst = appendString(dst, pattern)
	dst = append(dst, `,"error":`...)
	dst = appendString(dst, ErrorText(why))
	dst = append(dst, ',')
	dst = advice.append(dst)
	return append(dst, `"successful":false}`...)
}
