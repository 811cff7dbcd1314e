package edge

import (
	"slices"
	"strings"

	"github.com/pandapush/pandapush"
)

// subscription is one pattern with what allowed it.
type subscription struct {
	pattern pandapush.Pattern
	grant   pandapush.Grant
	lagging bool               // it begins before the session's position and is being brought up to it, by feed.low
	lagged  bool               // it lags, or has and the client may not have got all of that: see feed.before
	start   pandapush.Position // what is not after it is not for this subscription
	// snapshot is when the client was told who is in the room: notices that are not after it are not for it.
	snapshot pandapush.Position
}

// subscriptions are those of a session, in the order of their patterns' texts. Nearly all have one or a few, for which a
// slice takes a fraction of what a map does.
type subscriptions []*subscription

// search returns where the subscription of a pattern is or would be.
func (l subscriptions) search(pattern string) (int, bool) {
	return slices.BinarySearchFunc(l, pattern, func(sub *subscription, text string) int { return strings.Compare(sub.pattern.String(), text) })
}

// find returns the subscription of a pattern, or nil.
func (l subscriptions) find(pattern string) *subscription {
	if i, ok := l.search(pattern); ok {
		return l[i]
	}
	return nil
}

// findOrAdd returns the subscription of a pattern, made if need be.
func (l *subscriptions) findOrAdd(pattern pandapush.Pattern) *subscription {
	i, ok := l.search(pattern.String())
	if !ok {
		*l = slices.Insert(*l, i, &subscription{pattern: pattern})
	}
	return (*l)[i]
}

// remove takes out the subscription of a pattern, if there is one.
func (l *subscriptions) remove(pattern string) {
	if i, ok := l.search(pattern); ok {
		*l = slices.Delete(*l, i, i+1)
	}
}

// matchingLocked yields the subscriptions whose patterns match d: all of the application, if it tells of a gap.
func (s *session) matchingLocked(d *delivery) func(yield func(*subscription) bool) {
	return func(yield func(*subscription) bool) {
		if d.gap != nil {
			for _, sub := range s.subs {
				if sub.pattern.App() == d.app && !yield(sub) {
					return
				}
			}
			return
		}
		for pattern := range candidates(d.channel) {
			if sub := s.subs.find(pattern); sub != nil && !yield(sub) {
				return
			}
		}
	}
}

// candidates yields the patterns that match a channel.
func candidates(channel string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		last := strings.LastIndexByte(channel, '/')
		if !yield(channel) || !yield(channel[:last]+"/*") {
			return
		}
		for i := last; i > 0; i = strings.LastIndexByte(channel[:i], '/') {
			if !yield(channel[:i] + "/**") {
				return
			}
		}
	}
}
