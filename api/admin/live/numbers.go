package live

import (
	"time"

	"github.com/pandapush/pandapush"
)

// Numbers are what is told of an application, a node or the whole service. Counts are of the moment, rates are per second
// since the sample before.
type Numbers struct {
	Connections   int64   `json:"connections"`
	Subscriptions int64   `json:"subscriptions"`
	Published     float64 `json:"published"`
	Delivered     float64 `json:"delivered"`
	BytesIn       float64 `json:"bytes_in"`
	BytesOut      float64 `json:"bytes_out"`
}

func (n Numbers) plus(m Numbers) Numbers {
	return Numbers{
		n.Connections + m.Connections, n.Subscriptions + m.Subscriptions, n.Published + m.Published, n.Delivered + m.Delivered,
		n.BytesIn + m.BytesIn, n.BytesOut + m.BytesOut,
	}
}

// activity is how much happens, to find the busiest.
func (n Numbers) activity() float64 {
	return float64(n.Connections) + n.Published + n.Delivered
}

// meter turns sums into rates.
type meter struct {
	sources []func() map[pandapush.AppID]pandapush.Usage
	at      time.Time
	before  map[pandapush.AppID]pandapush.Usage
}

// read returns the numbers of all applications that this node has to do with, since the call before.
func (m *meter) read(now time.Time) map[pandapush.AppID]Numbers {
	sums := map[pandapush.AppID]pandapush.Usage{}
	for _, source := range m.sources {
		for app, u := range source() {
			s := sums[app]
			sums[app] = pandapush.Usage{
				Sessions: s.Sessions + u.Sessions, Subscriptions: s.Subscriptions + u.Subscriptions,
				Published: s.Published + u.Published, BytesIn: s.BytesIn + u.BytesIn,
				Delivered: s.Delivered + u.Delivered, BytesOut: s.BytesOut + u.BytesOut,
			}
		}
	}
	seconds := now.Sub(m.at).Seconds()
	if m.before == nil || seconds <= 0 {
		seconds = 0 // nothing to compare with: no rates
	}
	numbers := make(map[pandapush.AppID]Numbers, len(sums))
	for app, u := range sums {
		b := m.before[app]
		numbers[app] = Numbers{
			u.Sessions, u.Subscriptions, rate(b.Published, u.Published, seconds), rate(b.Delivered, u.Delivered, seconds),
			rate(b.BytesIn, u.BytesIn, seconds), rate(b.BytesOut, u.BytesOut, seconds),
		}
	}
	m.at, m.before = now, sums
	return numbers
}

// rate is the growth of a sum per second. A sum that shrank began anew.
func rate(before, after uint64, seconds float64) float64 {
	if seconds == 0 {
		return 0
	}
	if after < before {
		before = 0
	}
	return float64(after-before) / seconds
}
